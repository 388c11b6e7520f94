"use strict";
// Keeps what a page shows in its address, and the page up to date while it can be seen. Text of the
// history comes as HTML that the server escaped, or as data; no markup is made from text here.
(() => {
  const body = document.body;

  // The state of a report and of panels, kept in the address.
  const kept = ["filter", "outcome", "standing"].map((id) => document.getElementById(id)).filter(Boolean);
  const choices = [...document.querySelectorAll("[data-panel]")];
  const table = document.getElementById("table");

  function remember() {
    const here = new URL(location);
    const put = (name, value) => (value ? here.searchParams.set(name, value) : here.searchParams.delete(name));
    for (const field of kept) put(field.id, field.value);
    for (const select of choices) put(`on-${select.dataset.panel}`, select.selectedIndex > 0 ? select.value : "");
    if (table) {
      const sorted = table.querySelector('th[aria-sort]:not([aria-sort="none"])');
      put("sort", sorted && `${sorted.getAttribute("aria-sort") === "descending" ? "-" : ""}${sorted.cellIndex}`);
      put("open", [...table.querySelectorAll('[data-open][aria-expanded="true"]')].map((each) => each.dataset.open).join(" "));
    }
    if (here.href !== location.href) history.replaceState(null, "", here);
  }

  function recall() {
    const wanted = new URL(location).searchParams;
    for (const field of kept) {
      const value = wanted.get(field.id);
      if (value === null) continue;
      field.value = value;
      field.dispatchEvent(new Event(field.tagName === "SELECT" ? "change" : "input"));
    }
    for (const select of choices) {
      const value = wanted.get(`on-${select.dataset.panel}`);
      if (value === null || value === select.value) continue;
      select.value = value;
      if (select.selectedIndex < 0) select.selectedIndex = 0;
      select.dispatchEvent(new Event("change"));
    }
    if (!table) return;
    const sort = /^(-?)(\d{1,2})$/.exec(wanted.get("sort") ?? "");
    const head = sort && table.tHead.rows[0].cells[Number(sort[2])];
    const direction = sort && (sort[1] ? "descending" : "ascending");
    for (let i = 0; head && i < 2 && head.getAttribute("aria-sort") !== direction; i++) head.querySelector("[data-sort]").click();
    const open = new Set((wanted.get("open") ?? "").split(" "));
    for (const button of table.querySelectorAll("tbody [data-open]")) {
      if (open.has(button.dataset.open) && button.getAttribute("aria-expanded") === "false") button.click();
    }
  }

  if (kept.length || choices.length) {
    recall();
    for (const name of ["input", "change", "click"]) document.addEventListener(name, () => queueMicrotask(remember));
  }

  // Forms show what is chosen at once, and leave out of the address what is empty.
  for (const form of document.querySelectorAll("form[data-form]")) {
    form.addEventListener("change", () => form.requestSubmit());
  }
  document.addEventListener("formdata", (event) => {
    if (event.target.matches("[data-sql]")) return;
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
  document.addEventListener("keydown", (event) => {
    const form = event.target.closest?.("[data-sql]");
    if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    const typing = event.target.matches?.("input, select, textarea");
    const search = document.querySelector('input[type="search"], textarea');
    if (event.key === "/" && !typing && search) {
      event.preventDefault();
      search.focus();
    }
  });
  for (const form of document.querySelectorAll("form[data-two]")) {
    const boxes = [...form.querySelectorAll('[type="checkbox"]')];
    const limit = () => {
      const full = form.querySelectorAll(":checked").length >= 2;
      for (const box of form.querySelectorAll('[type="checkbox"]')) box.disabled = full && !box.checked;
    };
    if (boxes.length) form.addEventListener("change", limit);
    limit();
  }

  // Live. The server says when the history has changed; the page then asks for itself again.
  if (!body.dataset.mark) return;
  const sign = document.querySelector(".live");
  const words = document.querySelector("[data-live-words]");
  const REST = 4;  // of the time, at most one part in so many goes into asking
  let source = null;
  let wanted = body.dataset.mark;
  let asking = false;

  function say(kind, text) {
    sign.classList.toggle("on", kind === "on");
    sign.classList.toggle("behind", kind === "behind");
    if (words.textContent !== text) words.textContent = text;
  }

  const drawn = (node) => node.matches?.('.chart, .panels, #class-table, tr.detail, input, select, textarea, datalist');
  const rowKey = (row) => row.dataset?.key ?? row.dataset?.slot;
  const outline = (root) => [...root.querySelectorAll("main > [id], #candidates select, [data-drawing]")].map((each) => each.id || each.dataset.drawing).join(" ");

  // Makes ``old`` like ``fresh`` where they differ, and leaves what a person opened, chose or typed.
  function renew(old, fresh) {
    if (old.isEqualNode(fresh) || drawn(old)) return;
    if (old.nodeName !== fresh.nodeName || old.nodeType !== Node.ELEMENT_NODE) return void old.replaceWith(fresh);
    for (const { name, value } of fresh.attributes) if (!["open", "hidden"].includes(name) && !name.startsWith("aria-")) old.setAttribute(name, value);
    if (old.nodeName === "TBODY") return renewRows(old, fresh);
    const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
    if (before.length !== after.length) {
      if (old.querySelector(".chart, .panels, input, select, textarea")) before.forEach((node, i) => after[i] && renew(node, after[i]));
      else old.replaceChildren(...after);
      return;
    }
    before.forEach((node, i) => renew(node, after[i]));
  }

  function renewRows(old, fresh) {
    const known = new Map([...old.rows].filter(rowKey).map((row) => [rowKey(row), row]));
    const rows = [...fresh.rows];
    if (!rows.length || !rows.every(rowKey)) return void old.replaceChildren(...rows);
    const sortedHere = document.querySelector("#table th[aria-sort$='ending']") && old.closest("#table");
    let last = null;
    for (const row of rows) {
      const there = known.get(rowKey(row));
      const place = there ?? document.importNode(row, true);
      if (!there) place.classList.add("changed");
      else if (!sameRow(there, row)) {
        [...row.cells].forEach((cell, i) => there.cells[i] && renew(there.cells[i], cell));
        there.className = row.className;
        requestAnimationFrame(() => there.classList.add("changed"));
      }
      known.delete(rowKey(row));
      const detail = there?.nextElementSibling?.classList.contains("detail") ? there.nextElementSibling : null;
      if (!sortedHere || !there) {
        const next = last ? last.nextElementSibling : old.firstElementChild;
        if (next !== place) old.insertBefore(place, next);
        if (detail) place.after(detail);
      }
      last = detail ?? place;
    }
    for (const gone of known.values()) {
      if (gone.nextElementSibling?.classList.contains("detail")) gone.nextElementSibling.remove();
      gone.remove();
    }
  }

  const sameRow = (old, fresh) => old.cells.length === fresh.cells.length && [...old.cells].every((cell, i) => cell.textContent === fresh.cells[i].textContent);

  async function ask() {
    if (asking || wanted === body.dataset.mark || document.hidden) return;
    asking = true;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (outline(fresh) !== outline(document)) return void location.reload();
      for (const place of ["header", "main"]) renew(document.querySelector(place), fresh.querySelector(place));
      const data = JSON.parse(fresh.getElementById("data").textContent);
      if (typeof charts === "object" && data.drawings) {
        Object.assign(charts.data, data);
        dispatchEvent(new Event("renewed"));
      }
      document.getElementById("filter")?.dispatchEvent(new Event("input"));
      body.dataset.mark = fresh.body.dataset.mark;
      say("on", "live");
    } catch {
      say("behind", "not up to date");
    }
    setTimeout(() => {
      asking = false;
      ask();
    }, Math.max(500, REST * (performance.now() - began)));
  }

  function listen() {
    if (document.hidden) {
      source?.close();
      source = null;
      return;
    }
    if (source) return;
    source = new EventSource(body.dataset.events);
    source.onopen = () => say("on", "live");
    source.onerror = () => {
      const over = source?.readyState === EventSource.CLOSED;
      say("behind", "not live");
      if (over) {
        source = null;
        setTimeout(listen, 30000);
      }
    };
    source.onmessage = (event) => {
      wanted = event.data;
      ask();
    };
  }

  // A page that is hidden gives its connection back: a browser has six for a server.
  document.addEventListener("visibilitychange", listen);
  listen();
})();
