"use strict";
// Sorts and filters the table, opens candidates. Text from policies and models is
// only ever put into the page as text nodes, never as markup.
(() => {
  const { data, make } = charts;
  const table = document.getElementById("table");
  const body = table.tBodies[0];

  function text(id) {
    const lines = [];
    const runs = data.texts[id];
    for (let i = 0; i < runs.length; i += 2) {
      lines.push(...data.lines.slice(runs[i], runs[i] + runs[i + 1]));
    }
    return lines;
  }

  function block(title, open, ...children) {
    const node = make("details", "", make("summary", "", title), ...children);
    node.open = open;
    return node;
  }

  function sourceBlock(id, failedLine) {
    const rows = text(id).map((line, index) => {
      const row = make("span", "row numbered", line || " ");
      row.dataset.line = index + 1;
      if (index + 1 === failedLine) row.classList.add("here");
      return row;
    });
    return make("pre", "", ...rows);
  }

  function diffBlock(id) {
    const kind = (line, index) => {
      if (index < 2 || line.startsWith("@@")) return "row hunk";
      if (line.startsWith("+")) return "row plus";
      return line.startsWith("-") ? "row minus" : "row";
    };
    return make("pre", "", ...text(id).map((line, index) => make("span", kind(line, index), line || " ")));
  }

  function plainBlock(id) {
    return make("pre", "wrap", text(id).join("\n"));
  }

  function scenarioTable(rows) {
    const names = data.evaluationColumns;
    const head = make("tr", "", ...names.map((name) => make("th", "", name)));
    const lines = rows.map((row) =>
      make("tr", "", ...row.map((cell, index) => make("td", index === 7 ? "words" : "", cell))));
    const inside = make("table", "small", make("thead", "", head), make("tbody", "", ...lines));
    return make("div", "scroll", inside);
  }

  function detail(slot) {
    const item = data.candidates[slot];
    const parts = [make("p", "", make("strong", "", item.name), ` · ${item.how} · ${item.outcome}, score ${item.score}`)];
    if (item.title !== item.name) parts.push(make("p", "small", item.title));
    if (item.difference) parts.push(make("p", "small", item.difference));
    if (item.sha) parts.push(make("p", "quiet small mono", item.sha));
    if (item.problem) {
      const where = item.line ? ` (line ${item.line})` : "";
      parts.push(make("p", "bad", item.problem + where));
      if (item.lineText) parts.push(make("pre", "", item.lineText));
    }
    for (const words of item.guards) parts.push(make("p", "small", words));
    for (const [line, column, message] of item.findings) {
      parts.push(make("p", "bad small", `line ${line}, column ${column}: ${message}`));
    }
    if (item.costs.length) {
      const lines = item.costs.map((words) => make("li", "", words));
      parts.push(make("p", "small", "Where its cost exceeds that of the best rival (train scenarios):"));
      parts.push(make("ul", "small", ...lines));
    }
    if (item.evaluations.length) parts.push(scenarioTable(item.evaluations));
    if (item.source !== null) {
      const diffs = item.diffs.filter((diff) => diff[1] !== null);
      for (const [parent, id] of diffs) parts.push(block(`Difference from ${parent}`, true, diffBlock(id)));
      parts.push(block("Source", !diffs.length, sourceBlock(item.source, item.line)));
    }
    for (const [role, id] of item.prompt) {
      if (id !== null) parts.push(block(`Prompt, ${role}`, false, plainBlock(id)));
    }
    for (const [words, id] of item.replies) {
      parts.push(id === null ? make("p", "small", `No reply: ${words}`) : block(`Reply: ${words}`, false, plainBlock(id)));
    }
    for (const [scenario, id] of item.prints) {
      parts.push(block(`Printed by the policy on ${scenario} (untrusted)`, false, plainBlock(id)));
    }
    return make("div", "inside", ...parts);
  }

  const rowOf = (slot) => [...body.rows].find((row) => row.dataset.slot === slot);
  const isOpen = (row) => row.nextElementSibling?.classList.contains("detail") ?? false;

  function close(row) {
    if (!isOpen(row)) return;
    row.nextElementSibling.remove();
    row.querySelector("[data-open]").setAttribute("aria-expanded", "false");
  }

  function open(row) {
    if (isOpen(row)) return;
    const cell = make("td", "", detail(row.dataset.slot));
    cell.colSpan = row.cells.length;
    row.after(make("tr", "detail", cell));
    row.querySelector("[data-open]").setAttribute("aria-expanded", "true");
  }

  function show(slot) {
    const row = rowOf(slot);
    if (!row) return;
    if (row.hidden) {
      filter.value = "";
      outcome.value = "";
      if (standing) standing.value = "";
      refresh();
    }
    open(row);
    row.scrollIntoView({ block: "start" });
  }

  function sort(header, index) {
    const now = header.getAttribute("aria-sort");
    const down = now === "none" ? header.classList.contains("n") : now === "ascending";
    for (const other of header.parentElement.cells) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const groups = [...body.querySelectorAll("tr.candidate")].map((row) => ({
      key: row.cells[index].dataset.key ?? row.cells[index].textContent,
      rows: isOpen(row) ? [row, row.nextElementSibling] : [row],
    }));
    const numeric = groups.every((group) => group.key !== "" && Number.isFinite(Number(group.key)));
    groups.sort((a, b) => (numeric ? a.key - b.key : a.key.localeCompare(b.key, "en", { numeric: true })));
    if (down) groups.reverse();
    body.append(...groups.flatMap((group) => group.rows));
  }

  const filter = document.getElementById("filter");
  const outcome = document.getElementById("outcome");
  const standing = document.getElementById("standing");
  const chosen = (select, value) => !select || select.value === "" || select.value === value;

  function refresh() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...body.querySelectorAll("tr.candidate")];
    for (const row of rows) {
      const content = `${row.textContent} ${row.dataset.title}`.toLowerCase();
      const fits = words.every((word) => content.includes(word));
      const kept = chosen(outcome, row.dataset.outcome) && chosen(standing, row.dataset.standing);
      row.hidden = !fits || !kept;
      if (row.hidden) close(row);
    }
    const left = rows.filter((row) => !row.hidden).length;
    document.getElementById("shown").textContent = `${left} of ${rows.length}`;
  }

  filter.addEventListener("input", refresh);
  outcome.addEventListener("change", refresh);
  standing?.addEventListener("change", refresh);
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (button) sort(button.closest("th"), Number(button.dataset.sort));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-open]");
    if (!button) return;
    const row = button.closest("tr.candidate");
    if (row && isOpen(row)) close(row);
    else if (row) open(row);
    else show(button.dataset.open);
  });

  charts.onPick(show);
  if (location.hash.startsWith("#candidate-")) show(location.hash.slice("#candidate-".length));
})();
