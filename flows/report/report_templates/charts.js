"use strict";
// Draws charts when they come into view. Text in them is data, which Vega draws as text.
const charts = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);

  function make(tag, className, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    node.append(...children);
    return node;
  }

  // Charts. Vega compiles no code here: expressions are interpreted, as the content policy asks.
  const quiet = "var(--quiet)";
  const axis = { labelColor: quiet, titleColor: quiet, gridColor: "var(--rule)", domainColor: "var(--line)", tickColor: "var(--line)", labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal" };
  const config = { font: "system-ui, sans-serif", background: "transparent", axis, view: { stroke: null }, text: { color: "var(--ink)", fontSize: 11 }, tooltip: null };
  const options = { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, hover: false, tooltip: tip, config };
  const tipBox = document.getElementById("tip");

  function tip(handler, event, item, value) {
    const rows = value && typeof value === "object" ? Object.entries(value) : [];
    const shown = rows.filter(([, words]) => words !== "" && words !== "null" && words !== "undefined");
    tipBox.hidden = shown.length === 0;
    if (tipBox.hidden) return;
    tipBox.replaceChildren(...shown.flatMap(([name, words]) => [make("b", "", name), make("span", "", String(words))]));
    const place = (at, size, room) => `${Math.max(4, at + 14 + size > room ? at - size - 10 : at + 14)}px`;
    tipBox.style.left = place(event.clientX, tipBox.offsetWidth, innerWidth);
    tipBox.style.top = place(event.clientY, tipBox.offsetHeight, innerHeight);
  }

  const objects = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));

  // What a click on a mark of a candidate does.
  let pick = () => {};

  // What is to be drawn in each place that has not been in view yet.
  const waiting = new Map();
  const views = new Map();
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
  }, { rootMargin: "300px" });

  function later(place, make) {
    waiting.set(place, make);
    observer.observe(place);
  }

  async function draw(place) {
    const wanted = waiting.get(place);
    if (!wanted) return;
    waiting.delete(place);
    observer.unobserve(place);
    const { spec, datasets, zoomsWith } = wanted();
    const autosize = typeof spec.width === "number" ? "pad" : { type: "fit-x", contains: "padding" };
    const layer = spec.layer.filter((each) => !each.data || datasets[each.data.name].length);
    const { view, finalize } = await vegaEmbed(place, { padding: 2, autosize, ...spec, layer, datasets }, options);
    end(place);
    ends.set(place, finalize);
    place.dataset.drawn = "";
    view.addEventListener("click", (event, item) => {
      if (item?.datum?.slot) pick(item.datum.slot);
    });
    if (zoomsWith) zoomTogether(zoomsWith, view);
  }

  // What is drawn anew would else keep all that was drawn before it in memory.
  const ends = new Map();

  function end(place) {
    ends.get(place)?.();
    ends.delete(place);
  }

  // Charts of one scenario show the same stretch of time.
  function zoomTogether(name, view) {
    const others = views.get(name);
    others.add(view);
    view.addSignalListener("zoom_second", (signal, range) => {
      for (const other of others) {
        if (other !== view && String(other.signal(signal)) !== String(range)) other.signal(signal, range).runAsync();
      }
    });
  }

  function drawings() {
    for (const place of document.querySelectorAll("[data-drawing]")) {
      const { spec, data: named } = data.drawings[place.dataset.drawing];
      const datasets = () => Object.fromEntries(Object.entries(named).map(([name, table]) => [name, objects(table)]));
      later(place, () => ({ spec, datasets: datasets() }));
    }
  }

  drawings();
  // A page that is served puts newer data into ``data`` and says so.
  addEventListener("renewed", drawings);

  // Before other charts are put into a place: those of before are neither drawn nor zoomed any more.
  function forget(place, name) {
    for (const old of place.querySelectorAll(".chart")) {
      waiting.delete(old);
      observer.unobserve(old);
      end(old);
    }
    views.set(name, new Set());
  }

  addEventListener("beforeprint", () => [...waiting.keys()].forEach(draw));

  return { data, make, later, forget, onPick: (action) => { pick = action; } };
})();
