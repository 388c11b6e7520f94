"use strict";
// Sorts and filters the table, opens candidates, fills the panels. Text from policies and models is
// only ever put into the page as text nodes, never as markup.
(() => {
  const { data, later, make } = charts;
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
    const parts = [make("p", "", make("strong", "", item.title), ` · ${item.how} · ${item.outcome}, score ${item.score}`)];
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
      const content = row.textContent.toLowerCase();
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

  const policy = (place) => data.policies[data.places.indexOf(place)];

  const panels = {
    classes(panel, choice) {
      const widest = choice.filter((item) => item.drawn);
      const table = document.getElementById("class-table");
      table.replaceChildren(classTable(panel, choice));
      return widest.map((item) => ({ title: item.title, spec: panel.charts[0], datasets: () => ({ rows: item.rows.map((row) => classRow(row)) }) }));
    },
    channels(panel, choice) {
      return choice.map((item) => ({
        title: item.title,
        spec: panel.charts[item.of],
        zoomsWith: "channels",
        datasets: () => ({
          above: item.series.some(([, , values]) => values.some((value) => value)) ? [] : [{ value: 1 }],
          capacity: item.capacity === null ? [] : [{ value: item.capacity }],
          rows: item.series.flatMap(([place, step, values]) => values.map((value, i) => ({ place, policy: policy(place), second: i * step, value }))),
        }),
      }));
    },
    spans(panel, choice) {
      return choice.map((item) => ({ title: item.title, wide: true, ...spanChart(panel, item) }));
    },
  };

  function classRow([place, values, note]) {
    return { place, policy: policy(place), note, ...Object.fromEntries(values.map((value, i) => [`c${i}`, value])) };
  }

  function classTable(panel, choice) {
    const shown = (value) => (value === null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: 4 }));
    const head = make("tr", "", make("th", "", panel.name), make("th", "", "policy"), ...panel.columns.map((name) => make("th", "n", name)));
    const lines = choice.flatMap(({ title, rows }) => rows.map(([place, values, note]) => {
      const cells = note ? [make("td", "", note)] : values.map((value) => make("td", "n", shown(value)));
      if (note) cells[0].colSpan = panel.columns.length;
      return make("tr", "", make("th", "", title), make("td", "", policy(place)), ...cells);
    }));
    return make("table", "small", make("thead", "", head), make("tbody", "", ...lines));
  }

  // Rows of a lane lie below each other, and lanes apart by one row. The ground of a lane ends where
  // the record ends, the axis where that of the longest does.
  function spanChart(panel, item) {
    let below = 0;
    const lanes = item.lanes.map((name, i) => {
      const lane = { name, start: 0, end: item.known, _top: below, _middle: below + item.rows[i] / 2, _bottom: below + item.rows[i] };
      below = lane._bottom + Math.max(1, 6 / item.rowHeight);
      return lane;
    });
    const others = panel.columns.filter((name) => !["start", "end", "lane", "class", "outcome"].includes(name));
    const bar = ([start, end, lane, row, kind, outcome, ...rest]) => ({
      ...Object.fromEntries(others.map((name, i) => [name, rest[i]])),
      start, end: Math.min(end, item.until), lane: lanes[lane].name, class: panel.classes[kind], outcome: panel.outcomes[outcome],
      _top: lanes[lane]._top + row, _bottom: lanes[lane]._top + row + 1,
    });
    lanes.push({ name: "", start: 0, end: item.until, _top: 0, _middle: 0, _bottom: 0 });
    const spec = { ...panel.charts[0], height: Math.round(below * item.rowHeight), padding: { left: 70, right: 4, top: 2, bottom: 2 } };
    return { spec, datasets: () => ({ lanes, rows: item.spans.map(bar) }) };
  }

  function choose(name, index) {
    const panel = data.panels[name];
    const place = document.getElementById(`panel-${name}`);
    charts.forget(place, name);
    const drawings = panels[name](panel, panel.choices[index]);
    place.replaceChildren(...drawings.map(({ title, wide, ...wanted }) => {
      const chart = make("div", "chart");
      later(chart, () => ({ ...wanted, datasets: wanted.datasets() }));
      return make("figure", wide ? "wide" : "", make("figcaption", "", title), chart);
    }));
  }

  for (const name of Object.keys(panels)) {
    if (document.getElementById(`panel-${name}`)) choose(name, 0);
  }
  for (const select of document.querySelectorAll("[data-panel]")) {
    select.addEventListener("change", () => choose(select.dataset.panel, select.value));
  }

  charts.onPick(show);
  if (location.hash.startsWith("#candidate-")) show(location.hash.slice("#candidate-".length));
})();
