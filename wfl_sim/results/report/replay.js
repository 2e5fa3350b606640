// Replay: a map of cells and devices at a moment of simulated time, and the curve up to it.
const AREA = "#c8d2da";

// Value at a time: on a straight line between rows, or the last one for a cell.
function levelAt(rows, time, straight) {
  const [times, values] = rows;
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) low = middle + 1; else high = middle;
  }
  if (!low) return values[0];
  if (!straight || low === times.length) return values[low - 1];
  const length = times[low] - times[low - 1];
  return length > 0 ? values[low - 1] + (values[low] - values[low - 1]) * (time - times[low - 1]) / length : values[low];
}

class Replay {
  constructor(host, run, curve, listeners) {
    this.run = run;
    this.time = 0;
    this.playing = null;
    this.listeners = listeners;
    this.spansOf = run.actors.map(() => []);
    run.spans.start.forEach((_, i) => this.spansOf[run.spans.actor[i]].push(i));
    for (const own of this.spansOf) own.sort((a, b) => run.spans.start[a] - run.spans.start[b]);
    this.play = make("button", { type: "button", onclick: () => this.toggle() }, "Play");
    this.slider = make("input", {
      type: "range", min: 0, max: 1000, step: 1, value: 0, "aria-label": "Simulated time",
      oninput: () => this.go(run.end * this.slider.value / 1000),
    });
    this.clock = make("span", { class: "clock" });
    this.speed = make("select", { "aria-label": "Speed" }, [[15, "run in 15 s"], [40, "run in 40 s"], [120, "run in 2 min"], [run.end, "real time"]]
      .map(([seconds, text]) => make("option", { value: seconds }, text)));
    this.speed.value = "40";
    host.append(make("div", { class: "controls" }, this.play, this.slider, this.clock, this.speed));
    this.now = make("div", { class: "now" });
    this.plot = make("div", { class: "chart" });
    this.canvas = make("canvas", { role: "img", "aria-label": "Map of cells and devices" });
    this.plot.append(this.canvas);
    const right = make("div", {});
    host.append(make("div", { class: "stage" }, make("div", {}, this.plot,
      swatches(["download", "upload", "compute", "backhaul", "handover", "wait", "idle", "off"].filter((each) => run.words.activity.includes(each)))), right));
    right.append(this.now);
    if (curve) {
      right.append(make("h3", {}, `${curve.metric}, ${curve.scope.replaceAll("_", " ")}`));
      this.chart = new Chart(right, 250);
      this.chart.set({ x: { name: "simulated time", unit: "s" }, y: { name: curve.metric }, lines: [{ label: run.label, number: 0, x: curve.x, y: curve.y }] });
    }
    this.curve = curve;
    this.tip = tipIn(this.plot);
    this.canvas.addEventListener("pointermove", (event) => this.hover(event));
    this.canvas.addEventListener("pointerleave", () => this.tip.hide());
    this.bounds = this.findBounds();
    onWidth(this.plot, () => this.redraw());
    this.go(0);
  }
  devices() { return this.run.actors.slice(this.run.actors.length - this.run.devices); }
  findBounds() {
    const places = Object.values(this.run.places).filter((each) => each.x), edge = this.run.hexagon || 0;
    const xs = this.run.sites.flatMap((site) => [site[0] - edge, site[0] + edge]).concat(places.flatMap((each) => each.x[1]));
    const ys = this.run.sites.flatMap((site) => [site[1] - edge, site[1] + edge]).concat(places.flatMap((each) => each.y[1]));
    const most = (values, choose, start) => values.reduce((best, each) => choose(best, each), start);
    const [west, east, south, north] = [most(xs, Math.min, Infinity), most(xs, Math.max, -Infinity), most(ys, Math.min, Infinity), most(ys, Math.max, -Infinity)];
    const margin = 0.07 * Math.max(east - west, north - south, 10);
    return [west - margin, east + margin, south - margin, north + margin];
  }
  toggle() {
    if (this.playing !== null) { cancelAnimationFrame(this.playing); this.playing = null; this.play.textContent = "Play"; return; }
    if (this.time >= this.run.end) this.go(0);
    this.play.textContent = "Pause";
    let before = performance.now();
    const frame = (instant) => {
      const seconds = Math.max(0, instant - before) / 1000;
      before = instant;
      this.go(Math.min(this.run.end, this.time + this.run.end * seconds / Number(this.speed.value)));
      if (this.time < this.run.end) this.playing = requestAnimationFrame(frame);
      else this.toggle();
    };
    this.playing = requestAnimationFrame(frame);
  }
  go(time) {
    this.time = time;
    this.slider.value = 1000 * time / this.run.end;
    const [factor, unit] = scaleOf(this.run.end, "s");
    const digits = Math.max(0, 3 - Math.floor(Math.log10(this.run.end * factor)));
    this.clock.textContent = `${(time * factor).toFixed(digits)} ${unit} of ${(this.run.end * factor).toFixed(digits)} ${unit}`;
    this.chart?.cursor(time);
    for (const listener of this.listeners) listener(time);
    this.redraw();
  }
  // Index of the span of an actor at the present time; -1 for none.
  spanOf(row) {
    const own = this.spansOf[row], { start, end } = this.run.spans;
    let low = 0, high = own.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (start[own[middle]] <= this.time) low = middle + 1; else high = middle;
    }
    const found = low ? own[low - 1] : -1;
    return found >= 0 && end[found] >= this.time ? found : -1;
  }
  // What every device is doing now.
  states() {
    const { spans, words, places, actors } = this.run;
    const first = actors.length - this.run.devices;
    return this.devices().map((name, number) => {
      const span = this.spanOf(first + number), known = places[name] || {};
      return {
        name, span, activity: span < 0 ? "idle" : words.activity[spans.activity[span]],
        x: known.x ? levelAt(known.x, this.time, true) : null,
        y: known.y ? levelAt(known.y, this.time, true) : null,
        cell: known.cell ? levelAt(known.cell, this.time, false) : null,
        charge: known.battery ? levelAt(known.battery, this.time, true) / this.run.capacity[name] : null,
      };
    });
  }
  redraw() {
    const width = this.plot.clientWidth;
    if (!width) return;
    const [west, east, south, north] = this.bounds;
    const height = Math.min(520, Math.max(220, width * (north - south) / (east - west)));
    const sharp = window.devicePixelRatio || 1;
    this.canvas.width = width * sharp;
    this.canvas.height = height * sharp;
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(sharp, sharp);
    pen.font = "11px system-ui, sans-serif";
    const scale = Math.min(width / (east - west), height / (north - south));
    const px = (x) => width / 2 + (x - (west + east) / 2) * scale;
    const py = (y) => height / 2 - (y - (south + north) / 2) * scale;
    this.ruler(pen, scale, height);
    const states = this.states(), { spans, sites, hexagon } = this.run;
    pen.strokeStyle = AREA;
    for (const [x, y] of hexagon ? sites : []) {
      pen.beginPath();
      for (let corner = 0; corner < 6; corner++) {
        pen.lineTo(px(x + hexagon * Math.cos(corner * Math.PI / 3)), py(y + hexagon * Math.sin(corner * Math.PI / 3)));
      }
      pen.closePath(); pen.stroke();
    }
    const sending = states.filter((each) => ["upload", "download"].includes(each.activity) && each.x !== null && sites[each.cell]);
    const fastest = Math.max(...sending.map((each) => spans.mean_rate[each.span] || 0), 1);
    for (const each of sending) {
      const rate = spans.mean_rate[each.span] || 0;
      const [x, y] = [px(each.x), py(each.y)], [a, b] = [px(sites[each.cell][0]), py(sites[each.cell][1])];
      pen.strokeStyle = fillOf(each.activity);
      pen.lineWidth = 1.2 + 4 * Math.sqrt(rate / fastest);
      pen.setLineDash(each.activity === "download" ? [6, 4] : []);
      pen.beginPath(); pen.moveTo(x, y); pen.lineTo(a, b); pen.stroke();
      pen.setLineDash([]);
      if (sending.length <= 10) this.say(pen, amount(rate, "bit/s"), 0.6 * x + 0.4 * a, 0.6 * y + 0.4 * b);
    }
    const shared = {};  // sectors of one site
    sites.forEach((site, number) => (shared[site] ||= []).push(number));
    for (const cells of Object.values(shared)) {
      const [a, b] = [px(sites[cells[0]][0]), py(sites[cells[0]][1])];
      pen.beginPath(); pen.moveTo(a, b - 9); pen.lineTo(a + 8, b + 6); pen.lineTo(a - 8, b + 6); pen.closePath();
      pen.fillStyle = "#1c2733"; pen.fill();
      if (sites.length <= 40) this.say(pen, `cell-${cells.length > 1 ? `${cells[0]} to ${cells[cells.length - 1]}` : cells[0]}`, a, b + 15);
    }
    this.points = [];
    const radius = states.length > 60 ? 4 : 6;
    for (const each of states) {
      if (each.x === null) continue;
      const [x, y] = [px(each.x), py(each.y)];
      this.points.push([x, y, each]);
      if (each.charge !== null) {
        pen.lineWidth = 2.5;
        pen.strokeStyle = "#d5dbe0";
        pen.beginPath(); pen.arc(x, y, radius + 4, 0, 2 * Math.PI); pen.stroke();
        pen.strokeStyle = each.charge > 0.2 ? "#009E73" : "#D55E00";
        pen.beginPath(); pen.arc(x, y, radius + 4, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * each.charge); pen.stroke();
      }
      pen.beginPath(); pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fillStyle = fillOf(each.activity); pen.fill();
      pen.lineWidth = 1; pen.strokeStyle = "#1c2733"; pen.stroke();
    }
    this.tell(states);
  }
  // A text on a pale ground.
  say(pen, text, x, y) {
    const width = pen.measureText(text).width;
    pen.fillStyle = "#ffffffd0";
    pen.fillRect(x - width / 2 - 2, y - 7, width + 4, 14);
    pen.fillStyle = "#1c2733";
    pen.textAlign = "center"; pen.textBaseline = "middle";
    pen.fillText(text, x, y);
  }
  ruler(pen, scale, height) {
    const metres = ticks(0, 150 / scale, 5).pop();
    pen.fillStyle = AREA;
    pen.fillRect(10, height - 12, metres * scale, 3);
    pen.fillStyle = "#5a6773"; pen.textAlign = "left"; pen.textBaseline = "alphabetic";
    pen.fillText(amount(metres, "m"), 10, height - 17);
  }
  tell(states) {
    const { spans } = this.run;
    const counts = {};
    for (const each of states) counts[each.activity] = (counts[each.activity] || 0) + 1;
    let joules = 0, bits = 0, round = -1;
    for (let i = 0; i < spans.start.length; i++) {
      if (spans.start[i] > this.time || spans.actor[i] < this.run.actors.length - this.run.devices) continue;
      const length = spans.end[i] - spans.start[i];
      const share = length > 0 ? Math.min(1, (this.time - spans.start[i]) / length) : 1;
      joules += share * spans.joules[i];
      if (share === 1) bits += spans.bits[i];
      round = Math.max(round, spans.round[i]);
    }
    const charged = states.filter((each) => each.charge !== null);
    const facts = [["round", round < 0 ? "–" : round], ["energy drawn", amount(joules, "J")], ["sent over the air", amount(bits, "bit")],
      ...Object.entries(counts).sort().map(([name, count]) => [name, `${count} of ${states.length}`])];
    if (charged.length) {
      const mean = charged.reduce((sum, each) => sum + each.charge, 0) / charged.length;
      facts.push(["mean battery level", `${Math.round(100 * mean)} %`], ["empty", charged.filter((each) => each.charge < 0.005).length]);
    }
    if (this.curve) facts.push([this.curve.metric, plain(stepAt(this.curve.x, this.curve.y, this.time))]);
    this.now.replaceChildren(...facts.map(([name, value]) => make("div", {}, make("span", { class: "note" }, name), make("br"), make("b", {}, value))));
  }
  hover(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const near = (this.points || []).find(([a, b]) => Math.hypot(a - x, b - y) < 12);
    if (!near) { this.tip.hide(); return; }
    const each = near[2], { spans } = this.run;
    const lines = [each.name, each.activity];
    if (each.cell !== null) lines.push(`served by cell-${each.cell}`);
    if (each.span >= 0 && spans.mean_rate[each.span] !== null) lines.push(amount(spans.mean_rate[each.span], "bit/s"), `SINR ${plain(spans.mean_sinr_db[each.span], 3)} dB`);
    if (each.charge !== null) lines.push(`battery ${Math.round(100 * each.charge)} %`);
    this.tip.show(x, y, lines);
  }
}
