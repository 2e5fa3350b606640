// What servers, cells and devices did when: a canvas with a row for each, which zooms in time.
class Timeline {
  constructor(host, run) {
    this.run = run;
    this.row = Math.min(22, Math.max(7, 640 / run.actors.length));
    this.range = [0, run.end];
    this.at = null;
    const button = (text, label, click) => make("button", { type: "button", "aria-label": label, title: label, onclick: click }, text);
    host.append(make("div", { class: "controls" },
      button("−", "Zoom out", () => this.scale(2)), button("+", "Zoom in", () => this.scale(0.5)),
      button("◀", "Earlier", () => this.shift(-0.5)), button("▶", "Later", () => this.shift(0.5)),
      button("Whole run", "Show the whole run", () => this.show(0, run.end))));
    this.plot = make("div", { class: "chart" });
    this.canvas = make("canvas", { tabindex: 0, role: "img", "aria-label": "Timeline of activities" });
    this.plot.append(this.canvas);
    host.append(this.plot, swatches(run.words.activity), make("p", { class: "note" },
      "Drag over a part to zoom in, double-click for the whole run. A cross marks what was lost or dropped."));
    this.tip = tipIn(this.plot);
    onDrag(this.canvas, {
      range: (a, b) => this.show(this.value(a), this.value(b)),
      hover: (x, y, from) => this.hover(x, y, from),
      leave: () => this.tip.hide(),
      reset: () => this.show(0, run.end),
    });
    this.canvas.addEventListener("keydown", (event) => {
      const act = { "+": () => this.scale(0.5), "-": () => this.scale(2), ArrowLeft: () => this.shift(-0.25), ArrowRight: () => this.shift(0.25) }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    onWidth(this.plot, () => this.redraw());
  }
  show(from, to) {
    this.range = [Math.max(0, from), Math.min(this.run.end, to)];
    this.redraw();
  }
  scale(factor) {
    const [from, to] = this.range;
    const middle = (from + to) / 2;
    const half = Math.min(this.run.end, (to - from) * factor) / 2;
    const start = Math.min(Math.max(0, middle - half), this.run.end - 2 * half);
    this.show(start, start + 2 * half);
  }
  shift(share) {
    const length = this.range[1] - this.range[0];
    const start = Math.min(Math.max(0, this.range[0] + share * length), this.run.end - length);
    this.show(start, start + length);
  }
  value(pixel) {
    const share = Math.min(1, Math.max(0, (pixel - this.left) / (this.right - this.left)));
    return this.range[0] + share * (this.range[1] - this.range[0]);
  }
  cursor(time) { this.at = time; this.redraw(); }
  redraw() {
    const width = this.plot.clientWidth;
    if (!width) return;
    const { spans, words, actors } = this.run;
    const [from, to] = this.range;
    const height = this.row * actors.length + 44;
    const sharp = window.devicePixelRatio || 1;
    this.canvas.width = width * sharp;
    this.canvas.height = height * sharp;
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(sharp, sharp);
    const step = Math.ceil(11 / this.row);
    pen.font = "11px system-ui, sans-serif";
    const names = actors.filter((_, row) => row % step === 0);
    this.left = Math.min(width * 0.3, Math.max(...names.map((name) => pen.measureText(name).width)) + 10);
    this.right = width - 8;
    const px = (time) => this.left + (this.right - this.left) * (time - from) / (to - from);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    pen.fillStyle = "#1c2733";
    actors.forEach((name, row) => {
      if (row % step === 0) pen.fillText(name, this.left - 6, (row + 0.5) * this.row, this.left - 8);
    });
    const crosses = [];
    for (let i = 0; i < spans.start.length; i++) {
      if (spans.end[i] < from || spans.start[i] > to) continue;
      const a = Math.max(this.left, px(spans.start[i]));
      const b = Math.min(this.right, px(spans.end[i]));
      const y = spans.actor[i] * this.row;
      pen.fillStyle = fillOf(words.activity[spans.activity[i]]);
      pen.fillRect(a, y + 1, Math.max(b - a, 0.7), this.row - 2);
      if (["lost", "dropped"].includes(words.outcome[spans.outcome[i]]) && spans.end[i] <= to) crosses.push([b, y + this.row / 2]);
    }
    pen.strokeStyle = "#000";
    pen.lineWidth = 1.6;
    for (const [x, y] of crosses) {
      pen.beginPath();
      pen.moveTo(x - 3, y - 3); pen.lineTo(x + 3, y + 3); pen.moveTo(x - 3, y + 3); pen.lineTo(x + 3, y - 3);
      pen.stroke();
    }
    const base = this.row * actors.length;
    const [factor, unit] = scaleOf(this.run.end, "s");
    pen.textAlign = "center";
    pen.fillStyle = "#5a6773";
    for (const tick of ticks(from * factor, to * factor, width / 100)) {
      pen.fillRect(px(tick / factor) - 0.5, base, 1, 5);
      pen.fillText(plain(tick, 6), px(tick / factor), base + 14);
    }
    pen.fillStyle = "#1c2733";
    pen.fillText(named("simulated time", unit), (this.left + this.right) / 2, base + 34);
    if (this.at !== null && this.at >= from && this.at <= to) pen.fillRect(px(this.at) - 0.7, 0, 1.4, base);
  }
  hover(x, y, from) {
    const { spans, words, actors } = this.run;
    if (from !== null) {
      this.redraw();
      const pen = this.canvas.getContext("2d");
      pen.fillStyle = "#0072b233";
      pen.fillRect(Math.min(from, x), 0, Math.abs(x - from), this.row * actors.length);
    }
    const time = this.value(x);
    const row = Math.floor(y / this.row);
    let hit = -1;
    for (let i = 0; i < spans.start.length; i++) {
      if (spans.actor[i] === row && spans.start[i] <= time && spans.end[i] >= time) hit = i;
    }
    if (hit < 0 || x < this.left) { this.tip.hide(); return; }
    const lines = [`${actors[row]}: ${words.activity[spans.activity[hit]]}`,
      `${plain(spans.start[hit], 6)} to ${plain(spans.end[hit], 6)} s`, amount(spans.joules[hit], "J")];
    if (spans.round[hit] >= 0) lines.push(`round ${spans.round[hit]}`);
    if (spans.bits[hit]) lines.push(amount(spans.bits[hit], "bit"));
    if (spans.mean_rate[hit] !== null) lines.push(amount(spans.mean_rate[hit], "bit/s"));
    if (spans.mean_sinr_db[hit] !== null) lines.push(`SINR ${plain(spans.mean_sinr_db[hit], 3)} dB`);
    if (words.outcome[spans.outcome[hit]] !== "done") lines.push(words.outcome[spans.outcome[hit]]);
    this.tip.show(x, y, lines);
  }
}
