// The page: reads the data of the runs, and builds its sections.
const DATA = JSON.parse(document.getElementById("data").textContent);
const LABELS = Object.keys(DATA.labels);
const numberOf = (label) => LABELS.indexOf(label);
const COST_NAMES = {
  rounds: { name: "completed rounds", unit: "", whole: true }, time: { name: "simulated time", unit: "s" },
  joules: { name: "energy drawn", unit: "J" }, bits: { name: "sent over the air", unit: "bit" },
};
const SCOPES = {
  global: "shared model on pooled test data", personal_mean: "mean of the personal models",
  personal_worst10: "worst tenth of the personal models",
};

function section(title, note) {
  const id = title.toLowerCase().replaceAll(" ", "-");
  const host = make("section", { id }, make("h2", {}, title), note ? make("p", { class: "note" }, note) : null);
  document.getElementById("main").append(host);
  document.getElementById("contents").append(make("a", { href: `#${id}` }, title));
  return host;
}
// A choice among texts, if there are several; calls back with the index at every change.
function choice(host, label, texts, chosen) {
  if (texts.length < 2) return null;
  const select = make("select", { "aria-label": label, onchange: () => chosen(select.selectedIndex) }, texts.map((text) => make("option", {}, text)));
  host.append(make("div", { class: "controls" }, make("label", {}, `${label} `, select)));
  return select;
}
function heads(host, title, rows) {
  if (title) host.append(make("h3", {}, title));
  const [head, ...body] = rows;
  host.append(make("div", { class: "scroll" }, make("table", {}, make("thead", {}, make("tr", {}, head.map((each) => make("th", {}, each)))),
    make("tbody", {}, body.map((row) => make("tr", {}, row.map((each) => make("td", {}, each))))))));
}

function showSummary() {
  const host = section("Summary");
  const { metric, scope } = DATA.goal;
  const measured = DATA.summary.some((row) => "final" in row);
  const best = DATA.summary[0];
  const tile = (value, text) => make("div", { class: "tile" }, make("b", {}, value), make("span", {}, text));
  const seeds = new Set(Object.values(DATA.labels).flat()).size;
  host.append(make("div", { class: "tiles" }, tile(LABELS.length, LABELS.length > 1 ? "labels" : "label"), tile(seeds, seeds > 1 ? "seeds" : "seed"),
    measured && LABELS.length === 1 ? tile(plain(best.final, 3), `final ${metric}`) : null,
    tile(amount(best.seconds, "s"), LABELS.length > 1 ? `simulated, ${best.label}` : "simulated"),
    tile(amount(best.joules, "J"), "drawn by all devices"), tile(amount(best.Mbit * 1e6, "bit"), "over the air")));
  for (const note of DATA.notes) host.append(make("p", { class: "note" }, note));
  const width = (half) => (half === null || half === undefined ? "" : ` ± ${plain(half, 2)}`);
  const final = (row) => (row.final === undefined ? "–" : `${plain(row.final, 3)}${width(row.half_width)}`);
  heads(host, measured ? `Whole runs: ${metric}, ${scope.replaceAll("_", " ")}` : "Whole runs", [["label", "seeds", "final", "seconds", "joules", "Mbit", "uploads", "late", "dropped", "lost"],
    ...DATA.summary.map((row) => [row.label, row.seeds, final(row), plain(row.seconds), plain(row.joules), plain(row.Mbit), plain(row.uploads), plain(row.late), plain(row.dropped), plain(row.lost)])]);
  const [more, ...means] = DATA.further;
  if (more.length > 1) heads(host, "Beside the joules of devices", [more, ...means.map(([label, ...values]) => [label, ...values.map((each) => plain(each))])]);
  const reached = DATA.summary.filter((row) => row.target);
  // Seeds that did not reach the target count with all that they spent, as in the closing tables.
  const cost = (target, name) => (target.reached < target.seeds && target[`least_${name}`] !== null ? `≥ ${plain(target[`least_${name}`])}` : `${plain(target[name])}${width(target[`half_${name}`])}`);
  if (reached.length) {
    heads(host, `To reach ${metric} ${plain(reached[0].target.target)}`, [["label", "reached", "rounds", "seconds", "joules", "Mbit"], ...reached.map(({ label, target }) =>
      [label, `${target.reached} of ${target.seeds}`, ...["rounds", "seconds", "joules", "mbit"].map((name) => cost(target, name))])]);
  }
  host.append(make("p", { class: "note" }, "Means over seeds; ± is half the 95 % t-interval of the mean. ≥ is a lower bound: seeds that did not reach the target count with what they spent until their last evaluation."));
}

function showCurves() {
  if (!DATA.curves.length) return;
  const host = section("Convergence", "Means over seeds as steps, with the 95 % t-interval of the mean where there are two seeds or more, cut where it leaves the chart; thin lines are seeds. " +
    "Drag over a part to zoom in, double-click for all. The dotted line is the target; unless given it is 95 % of the best final value, or 105 % where less is better.");
  const wanted = DATA.curves.findIndex((each) => each.metric === DATA.goal.metric && each.scope === DATA.goal.scope);
  let current = DATA.curves[Math.max(0, wanted)], cost = "rounds";
  const select = choice(host, "Metric", DATA.curves.map((each) => `${each.metric}: ${SCOPES[each.scope] || each.scope}`), (index) => { current = DATA.curves[index]; show(); });
  const tabs = Object.keys(COST_NAMES).map((name) => make("button", { type: "button", onclick: () => { cost = name; show(); } }, COST_NAMES[name].name));
  host.append(make("div", { class: "controls", role: "group", "aria-label": "Horizontal axis" }, tabs));
  const chart = new Chart(host, 380);
  function show() {
    tabs.forEach((tab, index) => tab.setAttribute("aria-pressed", String(Object.keys(COST_NAMES)[index] === cost)));
    chart?.set({ x: COST_NAMES[cost], y: { name: current.metric }, target: current.target, always: true,
      lines: current.by[cost].map((line) => ({ ...line, number: numberOf(line.label) })) });
  }
  if (select) select.selectedIndex = Math.max(0, wanted);
  show();
}

function showDetails() {
  if (!DATA.details.length) return;
  const replay = section("Replay", "Cells are triangles, devices circles in the colour of what they do; a ring is the battery. Lines are transfers, wider where the mean rate is higher.");
  const timeline = section("Timeline", "What servers, cells and devices did when.");
  const names = DATA.details.map((run) => `${run.label}, seed ${run.seed}`);
  const stages = [make("div"), make("div")];
  let player = null;
  const show = (index) => {
    const run = DATA.details[index];
    if (player?.playing != null) player.toggle();
    stages.forEach((stage) => stage.replaceChildren());
    const bars = new Timeline(stages[1], run);
    const own = run.series.find((each) => each.metric === DATA.goal.metric && each.scope === DATA.goal.scope);
    player = new Replay(stages[0], run, own || run.series[0], [(time) => bars.cursor(time)]);
    for (const select of selects) if (select) select.selectedIndex = index;
  };
  const selects = [replay, timeline].map((host) => choice(host, "Run", names, show));
  replay.append(stages[0]);
  timeline.append(stages[1]);
  show(0);
}

function showEnergy() {
  const host = section("Energy and time", "Means over seeds, all devices together. Joules of an activity are all that the device drew in it, idle power included.");
  const units = { seconds: "s", joules: "J", components: "J" };
  const titles = { seconds: "Time by activity", joules: "Energy by activity", components: "Energy by component" };
  const pair = make("div", { class: "pair" });
  host.append(pair);
  for (const [name, rows] of Object.entries(DATA.energy)) {
    if (!rows.some((row) => Object.keys(row.parts).length)) continue;
    const part = make("div", {}, make("h3", {}, titles[name]));
    pair.append(part);
    stacks(part, rows, units[name]);
  }
}

function showLinks() {
  if (!Object.keys(DATA.links).length) return;
  const host = section("SINR and rate", "Distribution functions over all transfers, seeds pooled.");
  const pair = make("div", { class: "pair" });
  host.append(pair);
  for (const [name, lines] of Object.entries(DATA.links)) {
    const [activity, quantity] = name.split(" ");
    const isRate = quantity === "mean_rate";
    const part = make("div", {}, make("h3", {}, isRate ? `Mean rate of ${activity}s` : `Mean SINR of ${activity}s`));
    pair.append(part);
    new Chart(part, 250).set({
      x: isRate ? { name: "mean rate", unit: "Mbit/s", log: true } : { name: "mean SINR", unit: "dB" }, y: { name: "share below", range: [0, 1] },
      lines: lines.map((line) => ({ ...line, x: isRate ? line.x.map((each) => each / 1e6) : line.x, number: numberOf(line.label) })),
    });
  }
}

function showLabels() {
  const held = DATA.details.filter((run) => run.holdings.names.length);
  if (!held.length) return;
  const host = section("Labels by device", "Training examples of each label that a device holds.");
  const stage = make("div");
  choice(host, "Run", held.map((run) => `${run.label}, seed ${run.seed}`), (index) => grid(index));
  host.append(stage);
  function grid(index) {
    const run = held[index], { names, counts } = run.holdings;
    const devices = run.actors.slice(run.actors.length - run.devices);
    const most = Math.max(...counts.flat(), 1);
    stage.replaceChildren();
    const plot = make("div", { class: "chart" });
    const canvas = make("canvas", { role: "img", "aria-label": "Examples by label and device" });
    plot.append(canvas);
    stage.append(plot);
    const tip = tipIn(plot);
    let left, cell, row = names.length > 30 ? 14 : 24;
    onWidth(plot, () => {
      const width = plot.clientWidth, sharp = window.devicePixelRatio || 1;
      const height = row * names.length + 40;
      canvas.width = width * sharp;
      canvas.height = height * sharp;
      canvas.style.height = `${height}px`;
      const pen = canvas.getContext("2d");
      pen.scale(sharp, sharp);
      pen.font = "12px system-ui, sans-serif";
      left = Math.min(width * 0.3, Math.max(...names.map((name) => pen.measureText(name).width)) + 10);
      cell = Math.min(64, (width - left - 4) / devices.length);
      pen.textBaseline = "middle";
      names.forEach((name, y) => {
        pen.textAlign = "right";
        pen.fillStyle = "#1c2733";
        pen.fillText(name, left - 6, (y + 0.5) * row, left - 8);
        devices.forEach((_, x) => {
          const share = counts[x][y] / most;
          const mix = (from, to) => Math.round(from + (to - from) * Math.sqrt(share));
          pen.fillStyle = `rgb(${mix(240, 0)},${mix(244, 72)},${mix(248, 140)})`;
          pen.fillRect(left + x * cell, y * row, cell - Math.min(1, cell / 6), row - 1);
          if (cell > 26 && counts[x][y]) {
            pen.textAlign = "center";
            pen.fillStyle = share > 0.3 ? "#fff" : "#1c2733";
            pen.fillText(counts[x][y], left + (x + 0.5) * cell, (y + 0.5) * row);
          }
        });
      });
      pen.fillStyle = "#5a6773";
      pen.textAlign = "center";
      const step = Math.ceil(24 / cell);
      devices.forEach((name, x) => { if (x % step === 0) pen.fillText(name.replace(/^device-/, ""), left + (x + 0.5) * cell, row * names.length + 9); });
      pen.fillStyle = "#1c2733";
      pen.fillText("device", left + cell * devices.length / 2, row * names.length + 28);
    });
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [Math.floor((event.clientX - box.left - left) / cell), Math.floor((event.clientY - box.top) / row)];
      if (!devices[x] || !names[y]) { tip.hide(); return; }
      tip.show(event.clientX - box.left, event.clientY - box.top, [devices[x], `${names[y]}: ${counts[x][y]}`]);
    });
    canvas.addEventListener("pointerleave", () => tip.hide());
  }
  grid(0);
}

function showSamples() {
  const asked = DATA.details.filter((run) => run.samples.length);
  if (!asked.length) return;
  const host = section("Generated text", "What the models of the first devices answer to requests of their own test data, before and after tuning, in the run of the lowest seed.");
  const stage = make("div");
  choice(host, "Run", asked.map((run) => `${run.label}, seed ${run.seed}`), (index) => show(index));
  host.append(stage);
  function show(index) {
    stage.replaceChildren(...asked[index].samples.map((each) => make("div", { class: "sample" }, make("h3", {}, each.device, ": ", each.request),
      make("dl", {}, [["in the data", "given"], ["before", "before"], ["after", "after"]].map(([name, key]) => [make("dt", {}, name), make("dd", {}, each[key] || "(nothing)")])))));
  }
  show(0);
}

function showScenario() {
  if (!DATA.details.length) return;
  const host = section("Scenario", "As it was run, with all defaults, in SI units; wfl-sim run takes this text as it is. Below it, what made the numbers.");
  const text = make("pre", { tabindex: 0 }), facts = make("pre", { tabindex: 0 });
  choice(host, "Run", DATA.details.map((run) => `${run.label}, seed ${run.seed}: ${run.folder}`), (index) => show(index));
  host.append(text, make("details", {}, make("summary", {}, "Versions, processor and digests"), facts));
  function show(index) {
    text.textContent = DATA.details[index].scenario;
    facts.textContent = JSON.stringify(DATA.details[index].facts, null, 2);
  }
  show(0);
}

document.title = `${DATA.title}: wfl_sim report`;
document.getElementById("title").textContent = DATA.title;
const runCount = Object.values(DATA.labels).flat().length;
document.getElementById("subtitle").textContent = `${runCount} run${runCount > 1 ? "s" : ""}: ${LABELS.slice(0, 12).join(" · ")}${LABELS.length > 12 ? " · ..." : ""}`;
for (const show of [showSummary, showCurves, showDetails, showEnergy, showLinks, showLabels, showSamples, showScenario]) show();
