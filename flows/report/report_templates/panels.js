"use strict";
// Fills the panels of the policies that are compared, for the scenario that is chosen.
(() => {
  const { data, later, make } = charts;
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

  function chooseAll() {
    for (const name of Object.keys(panels)) {
      const index = document.querySelector(`[data-panel="${name}"]`)?.value ?? 0;
      if (document.getElementById(`panel-${name}`)) choose(name, index);
    }
  }

  chooseAll();
  addEventListener("renewed", chooseAll);
  for (const select of document.querySelectorAll("[data-panel]")) {
    select.addEventListener("change", () => choose(select.dataset.panel, select.value));
  }
})();
