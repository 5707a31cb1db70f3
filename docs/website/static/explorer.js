// The benchmark explorer: a table that sorts and filters, and two methods side by side.
(() => {
  const data = window.RADFUSE_BENCHMARKS;
  const box = document.getElementById("explorer");
  if (!data || !box) return;

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  const labelled = (text, control) => element("label", {}, `${text} `, control);
  const choice = (names, change) =>
    element("select", { onchange: change }, ...names.map(([value, text]) => new Option(text, value)));

  const state = { benchmark: 0, profile: "", sort: "", descending: true, family: "", text: "", chosen: [], case: data.cases[0] };
  const lower = new Set(data.lower);
  const shown = new Set(data.shown);

  const benchmarkChoice = choice(data.benchmarks.map((one, i) => [i, one.title]), () => {
    state.benchmark = Number(benchmarkChoice.value);
    fillProfiles();
    draw();
  });
  const profileChoice = choice([], () => {
    state.profile = profileChoice.value;
    state.sort = "";
    draw();
  });
  const families = [...new Set(Object.values(data.families))].sort();
  const familyChoice = choice([["", "all"], ...families.map((one) => [one, one.replaceAll("_", " ")])], () => {
    state.family = familyChoice.value;
    draw();
  });
  const filter = element("input", {
    type: "search",
    placeholder: "such as dwt",
    oninput: () => {
      state.text = filter.value.toLowerCase();
      draw();
    },
  });
  const caseChoice = choice(data.cases.map((one) => [one, one]), () => {
    state.case = caseChoice.value;
    compare();
  });
  const count = element("p", { role: "status" });
  const tableBox = element("div", { class: "table-wrapper", tabindex: "0" });
  const comparison = element("section", { "aria-label": "Two methods" });
  const dialog = element("dialog", { "aria-label": "Image" });
  dialog.addEventListener("click", () => dialog.close());

  function fillProfiles() {
    const names = Object.keys(data.benchmarks[state.benchmark].profiles);
    profileChoice.replaceChildren(...names.map((one) => new Option(one, one)));
    state.profile = names[0];
    state.sort = "";
    state.chosen = [];
  }

  const current = () => data.benchmarks[state.benchmark].profiles[state.profile];
  const columns = () => {
    const timed = Object.keys(data.benchmarks[state.benchmark].milliseconds).length;
    return [...current().columns, ...(timed ? ["ms"] : [])];
  };
  const valueOf = (method, column) =>
    column === "ms"
      ? data.benchmarks[state.benchmark].milliseconds[method]
      : current().rows[method][column]?.[0];
  const isLower = (column) => column === "ms" || lower.has(column);

  function methods() {
    const names = Object.keys(current().rows).filter(
      (name) =>
        (!state.family || data.families[name] === state.family) &&
        (!state.text || name.includes(state.text) || (data.summaries[name] ?? "").toLowerCase().includes(state.text)),
    );
    if (!state.sort) return names;
    const sign = state.descending ? -1 : 1;
    const key = (name) => (state.sort === "method" ? name : valueOf(name, state.sort));
    return names.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x == null || y == null) return (x == null) - (y == null);
      return x < y ? -sign : x > y ? sign : 0;
    });
  }

  function sortBy(column) {
    const first = column !== "method" && !isLower(column); // the best values first
    state.descending = state.sort === column ? !state.descending : first;
    state.sort = column;
    draw();
    tableBox.querySelector(`button[data-column="${CSS.escape(column)}"]`)?.focus();
  }

  function heading(column) {
    const mark = column === "method" ? "" : isLower(column) ? " ↓" : " ↑";
    const sorted = state.sort === column ? (state.descending ? "descending" : "ascending") : "none";
    return element(
      "th",
      { scope: "col", "aria-sort": sorted },
      element("button", { type: "button", "data-column": column, onclick: () => sortBy(column) }, column + mark),
    );
  }

  function toggle(name) {
    const at = state.chosen.indexOf(name);
    if (at >= 0) state.chosen.splice(at, 1);
    else state.chosen = [...state.chosen, name].slice(-2);
    for (const input of tableBox.querySelectorAll("input")) input.checked = state.chosen.includes(input.value);
    compare();
  }

  function row(name) {
    const check = element("input", {
      type: "checkbox",
      value: name,
      "aria-label": `compare ${name}`,
      onchange: () => toggle(name),
    });
    check.checked = state.chosen.includes(name);
    const cells = columns().map((column) => {
      const interval = column === "ms" ? undefined : current().rows[name][column];
      const title = interval && interval[1] != null ? `95 % interval ${interval[1]} to ${interval[2]}` : undefined;
      return element("td", { title }, String(valueOf(name, column) ?? ""));
    });
    const label = element("th", { scope: "row", title: data.summaries[name] }, element("code", {}, name));
    return element("tr", {}, element("td", {}, check), label, ...cells);
  }

  function draw() {
    const names = methods();
    count.textContent = `${names.length} of ${Object.keys(current().rows).length} methods. ↑ larger is better, ↓ smaller is better.`;
    const head = element("tr", {}, element("td", {}, "compare"), heading("method"), ...columns().map(heading));
    tableBox.replaceChildren(
      element("table", {}, element("thead", {}, head), element("tbody", {}, ...names.map(row))),
    );
    compare();
  }

  function figure(name) {
    const source = `explorer/${state.case}/${name}.webp`;
    const image = element("img", { src: source, alt: `${state.case}: ${name}`, width: "192", height: "192" });
    const open = () => {
      const large = element("img", { src: source, alt: `${state.case}: ${name}` });
      dialog.replaceChildren(large, element("p", {}, `${name}. Click or Escape closes.`));
      dialog.showModal();
    };
    const button = element("button", { type: "button", "aria-label": `enlarge ${name}`, onclick: open }, image);
    return element("figure", {}, button, element("figcaption", {}, name));
  }

  function verdict(column, a, b) {
    const [x, y] = [current().rows[a][column], current().rows[b][column]];
    if (column === "ms" || !x || !y || x[1] == null || y[1] == null) return "";
    if (x[1] <= y[2] && y[1] <= x[2]) return "intervals overlap";
    return (x[0] > y[0]) !== isLower(column) ? `${a} is better` : `${b} is better`;
  }

  function compare() {
    const [a, b] = state.chosen;
    if (!b) {
      const more = a ? `${a} is chosen: choose one more.` : "Choose two methods in the table to compare them.";
      comparison.replaceChildren(element("p", {}, more));
      return;
    }
    const lines = columns().map((column) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, column + (isLower(column) ? " ↓" : " ↑")),
        element("td", {}, String(valueOf(a, column) ?? "")),
        element("td", {}, String(valueOf(b, column) ?? "")),
        element("td", {}, verdict(column, a, b)),
      ),
    );
    const names = [a, b, "CT", "MR"].filter((one) => ["CT", "MR"].includes(one) || shown.has(one));
    const heads = ["metric", a, b, "95 % intervals by patient"].map((one) => element("th", { scope: "col" }, one));
    comparison.replaceChildren(
      element("h2", {}, `${a} and ${b}`),
      labelled("Slice", caseChoice),
      element("div", { class: "figures" }, ...names.map(figure)),
      element(
        "div",
        { class: "table-wrapper", tabindex: "0" },
        element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...lines)),
      ),
    );
  }

  fillProfiles();
  box.replaceChildren(
    element(
      "div",
      { class: "controls" },
      labelled("Benchmark", benchmarkChoice),
      labelled("Profile", profileChoice),
      labelled("Family", familyChoice),
      labelled("Method contains", filter),
    ),
    count,
    comparison,
    tableBox,
    dialog,
  );
  draw();
})();
