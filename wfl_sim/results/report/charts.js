// Elements, numbers with units, and line charts as SVG. Every text of a run becomes a text node.
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
const FILLS = {
  download: "#56B4E9", receive: "#56B4E9", compute: "#D55E00", upload: "#0072B2", transmit: "#0072B2",
  backhaul: "#E69F00", handover: "#F0E442", wait: "#B8B8B8", idle: "#DDDDDD", off: "#8a8f94", transfer: "#CC79A7",
  "user-download": "#A6D5F0", "user-upload": "#6FA8CF",
  aggregate: "#009E73",
};
const LIGHT_TEXT = ["compute", "upload", "transmit", "aggregate", "off"];
const SVG = "http://www.w3.org/2000/svg";

function put(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children.flat(2)) {
    if (child !== null) node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}
const make = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => put(document.createElementNS(SVG, tag), attributes, children);

// Factor and unit with its prefix for values up to `largest`.
function scaleOf(largest, unit) {
  if (unit === "s") return largest >= 10800 ? [1 / 3600, "h"] : [1, "s"];
  if (unit) for (const [size, prefix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (largest >= size) return [1 / size, prefix + unit];
  }
  return [1, unit];
}
function plain(value, digits = 4) {
  if (value === null || value === undefined || !isFinite(value)) return "–";
  if (Math.abs(value) >= 10000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}
function amount(value, unit) {
  const [factor, prefixed] = scaleOf(Math.abs(value), unit);
  return `${plain(value * factor, 3)} ${prefixed}`;
}
const colourOf = (n) => COLOURS[n % COLOURS.length];
const dashOf = (n) => DASHES[(n + Math.floor(n / COLOURS.length)) % DASHES.length];
const fillOf = (name) => FILLS[name] || "#333333";
const named = (name, unit) => (unit ? `${name} (${unit})` : name);

function ticks(low, high, count, whole) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  if (whole) step = Math.max(1, Math.round(step));
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) found.push(n * step);
  return found.map((each) => Number(each.toPrecision(10)));
}
function logTicks(low, high) {
  const found = [];
  const subs = high / low > 1000 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const sub of subs) if (sub * 10 ** power >= low && sub * 10 ** power <= high) found.push(sub * 10 ** power);
  }
  return found.length < 3 ? ticks(low, high, 4) : found.map((each) => Number(each.toPrecision(6)));
}
// Value of a step function at x: the last one at or before it.
function stepAt(xs, ys, x) {
  let low = 0, high = xs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] <= x) low = middle + 1; else high = middle;
  }
  return low ? ys[low - 1] : null;
}

// Redraws when its width has changed; the first time at once.
function onWidth(host, redraw) {
  let width = 0;
  const check = () => {
    const now = host.clientWidth;
    if (now && now !== width) { width = now; redraw(); }
  };
  new ResizeObserver(check).observe(host);
  check();
}
function tipIn(host) {
  const tip = make("div", { class: "tip", hidden: "" });
  host.append(tip);
  return {
    show(x, y, lines) {
      tip.replaceChildren(...lines.map((line) => make("div", {}, line)));
      tip.hidden = false;
      const left = x + 14 + tip.offsetWidth > host.clientWidth ? x - 14 - tip.offsetWidth : x + 14;
      tip.style.left = `${Math.max(0, left)}px`;
      tip.style.top = `${Math.max(0, y + 12)}px`;
    },
    hide() { tip.hidden = true; },
  };
}
// Calls back with the range in pixels that is dragged over, and at every move without a drag.
function onDrag(target, { range, hover, leave, reset }) {
  let from = null;
  const at = (event) => {
    const box = target.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  target.addEventListener("pointerdown", (event) => { from = at(event)[0]; target.setPointerCapture(event.pointerId); });
  target.addEventListener("pointermove", (event) => hover(...at(event), from));
  target.addEventListener("pointerup", (event) => {
    const to = at(event)[0];
    if (from !== null && Math.abs(to - from) > 8) range(Math.min(from, to), Math.max(from, to));
    from = null;
  });
  target.addEventListener("pointercancel", () => { from = null; });
  target.addEventListener("pointerleave", () => { from = null; leave(); });
  target.addEventListener("dblclick", reset);
}

// A chart of step lines. `set` gives it x {name, unit, whole, log}, y {name, range}, target, and lines
// {label, number, x, y, low, high, seeds}; `cursor` marks a place on x, from which on lines are pale.
class Chart {
  constructor(host, height = 300) {
    this.host = host;
    this.height = height;
    this.hidden = new Set();
    this.zoom = null;
    this.at = null;
    this.plot = make("div", { class: "chart" });
    this.keys = make("div", { class: "legend" });
    host.append(this.plot, this.keys);
    this.svg = draw("svg", { role: "img" });
    this.plot.append(this.svg);
    this.tip = tipIn(this.plot);
    onDrag(this.svg, {
      range: (a, b) => { this.zoom = [this.value(a), this.value(b)]; this.redraw(); },
      hover: (x, y, from) => this.hover(x, y, from),
      leave: () => { this.tip.hide(); this.hair?.setAttribute("visibility", "hidden"); },
      reset: () => { this.zoom = null; this.redraw(); },
    });
    onWidth(this.plot, () => this.redraw());
  }
  set(data) {
    this.data = data;
    this.zoom = null;
    this.svg.setAttribute("aria-label", `${data.y.name} against ${data.x.name}`);
    this.keys.replaceChildren(...(data.lines.length < 2 && !data.always ? [] : data.lines.map((line) => make("button", {
      type: "button", "aria-pressed": String(!this.hidden.has(line.label)), title: "Show or hide",
      onclick: (event) => {
        if (!this.hidden.delete(line.label)) this.hidden.add(line.label);
        event.currentTarget.setAttribute("aria-pressed", String(!this.hidden.has(line.label)));
        this.redraw();
      },
    }, draw("svg", { class: "key", width: 28, height: 10 }, draw("line", {
      x1: 0, x2: 28, y1: 5, y2: 5, stroke: colourOf(line.number), "stroke-width": 2.4, "stroke-dasharray": dashOf(line.number),
    })), line.label))));
    this.redraw();
  }
  cursor(x) { this.at = x; this.mark(); }
  value(pixel) {
    const share = (pixel - this.left) / (this.right - this.left);
    if (share >= 1) return this.high;
    const clipped = Math.max(0, share);
    return this.data.x.log ? this.low * (this.high / this.low) ** clipped : this.low + clipped * (this.high - this.low);
  }
  redraw() {
    const width = this.plot.clientWidth;
    if (!this.data || !width) return;
    const { x, y, lines, target } = this.data;
    const shown = lines.filter((line) => !this.hidden.has(line.label));
    this.shown = shown;
    const xs = shown.flatMap((line) => [line.x[0], line.x[line.x.length - 1]]).filter((each) => each !== undefined);
    let [low, high] = this.zoom || [x.log ? Math.min(...xs) : Math.min(0, ...xs), Math.max(...xs, x.log ? 0 : 1e-9)];
    if (!xs.length) [low, high] = [x.log ? 1 : 0, 10];
    if (!(high > low)) high = x.log ? low * 2 : low + 1;
    [this.low, this.high] = [low, high];
    const levels = shown.flatMap((line) => [...line.y, ...(line.seeds || []).flatMap((seed) => seed[1])])
      .concat(target ?? []).filter((each) => each !== null);
    let [bottom, top] = y.range || [Math.min(...levels), Math.max(...levels)];
    if (!levels.length) [bottom, top] = [0, 1];
    if (!y.range) {
      const margin = 0.06 * (top - bottom || Math.abs(top) || 1);
      [bottom, top] = [bottom - margin, top + margin];
    }
    const levelTicks = ticks(bottom, top, this.height / 60);
    const longest = Math.max(0, ...levelTicks.map((tick) => plain(tick).length));
    [this.left, this.right] = [Math.max(52, 24 + 7 * longest), width - 12];
    const [upper, lower] = [10, this.height - 40];
    const px = (each) => this.left + (this.right - this.left) *
      (x.log ? Math.log(each / low) / Math.log(high / low) : (each - low) / (high - low));
    const py = (each) => lower - (lower - upper) * (each - bottom) / (top - bottom);
    [this.px, this.upper, this.lower] = [px, upper, lower];
    const [factor, unit] = scaleOf(x.log ? 1 : high, x.unit);
    this.factor = factor;
    this.unit = unit;
    const id = `clip-${Chart.count = (Chart.count || 0) + 1}`;
    const parts = [draw("clipPath", { id }, draw("rect", { x: this.left, y: upper - 4, width: this.right - this.left, height: lower - upper + 8 }))];
    for (const tick of levelTicks) {
      parts.push(draw("line", { x1: this.left, x2: this.right, y1: py(tick), y2: py(tick), stroke: "#e4e8ec" }),
        draw("text", { x: this.left - 7, y: py(tick) + 4, "text-anchor": "end", class: "tick" }, plain(tick)));
    }
    const marks = x.log ? logTicks(low, high) : ticks(low * factor, high * factor, width / 90, x.whole).map((each) => each / factor);
    for (const tick of marks) {
      parts.push(draw("line", { x1: px(tick), x2: px(tick), y1: lower, y2: lower + 4, stroke: "#8a949e" }),
        draw("text", { x: px(tick), y: lower + 17, "text-anchor": "middle", class: "tick" }, plain(tick * factor)));
    }
    parts.push(draw("line", { x1: this.left, x2: this.right, y1: lower, y2: lower, stroke: "#8a949e" }),
      draw("text", { x: (this.left + this.right) / 2, y: this.height - 5, "text-anchor": "middle" }, named(x.name, unit)),
      draw("text", { transform: `translate(13 ${(upper + lower) / 2}) rotate(-90)`, "text-anchor": "middle" }, y.name));
    const inside = draw("g", { "clip-path": `url(#${id})` });
    if (target !== null && target !== undefined) {
      inside.append(draw("line", { x1: this.left, x2: this.right, y1: py(target), y2: py(target), stroke: "#444", "stroke-dasharray": "1 3" }));
    }
    const steps = (xs, ys) => {
      let path = "";
      for (let i = 0; i < xs.length; i++) {
        if (ys[i] === null) continue;
        path += path ? `H${px(xs[i]).toFixed(1)}V${py(ys[i]).toFixed(1)}` : `M${px(xs[i]).toFixed(1)} ${py(ys[i]).toFixed(1)}`;
      }
      return path;
    };
    for (const line of shown) {
      const colour = colourOf(line.number);
      if (line.low?.length) {
        const [there, back] = [steps(line.x, line.high), []];
        for (let i = line.x.length - 1; i >= 0; i--) {
          if (line.low[i] === null) continue;
          if (back.length) back.push(`V${py(line.low[i]).toFixed(1)}`);
          else back.push(`L${px(line.x[i]).toFixed(1)} ${py(line.low[i]).toFixed(1)}`);
          back.push(`H${px(line.x[i]).toFixed(1)}`);
        }
        if (there) inside.append(draw("path", { d: `${there}${back.join("")}Z`, fill: colour, opacity: 0.1 }));
      }
      for (const seed of line.seeds?.length > 1 ? line.seeds : []) {
        inside.append(draw("path", { d: steps(seed[0], seed[1]), fill: "none", stroke: colour, "stroke-width": 0.8, opacity: 0.4 }));
      }
      inside.append(draw("path", {
        d: steps(line.x, line.y), fill: "none", stroke: colour, "stroke-width": 2.2, "stroke-dasharray": dashOf(line.number),
      }));
      if (line.x.length && line.x[line.x.length - 1] === 0) {  // sends nothing: a level
        const level = py(line.y[line.y.length - 1]);
        inside.append(draw("line", { x1: this.left, x2: this.right, y1: level, y2: level, stroke: colour, "stroke-width": 1.6, "stroke-dasharray": "8 4" }));
      }
    }
    this.veil = draw("rect", { y: upper - 4, height: lower - upper + 8, fill: "#fff", opacity: 0.72 });
    this.now = draw("line", { y1: upper - 4, y2: lower, stroke: "#1c2733", "stroke-width": 1.4 });
    this.hair = draw("line", { y1: upper, y2: lower, stroke: "#8a949e", visibility: "hidden" });
    this.band = draw("rect", { y: upper, height: lower - upper, fill: "#0072b2", opacity: 0.14, width: 0 });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${this.height}`);
    this.svg.setAttribute("height", this.height);
    this.svg.replaceChildren(...parts, inside, this.veil, this.now, this.band, this.hair);
    this.mark();
  }
  mark() {
    if (!this.veil) return;
    const on = this.at !== null && this.at >= this.low && this.at <= this.high;
    const x = on ? this.px(this.at) : this.right;
    this.veil.setAttribute("x", x);
    this.veil.setAttribute("width", this.at === null ? 0 : this.right - x);
    this.now.setAttribute("visibility", on ? "visible" : "hidden");
    this.now.setAttribute("x1", x);
    this.now.setAttribute("x2", x);
  }
  hover(x, y, from) {
    if (!this.shown) return;
    const inside = Math.min(this.right, Math.max(this.left, x));
    this.band.setAttribute("x", Math.min(from ?? inside, inside));
    this.band.setAttribute("width", from === null ? 0 : Math.abs(inside - from));
    this.hair.setAttribute("x1", inside);
    this.hair.setAttribute("x2", inside);
    this.hair.setAttribute("visibility", "visible");
    const at = this.value(inside);
    this.tip.show(inside, y, [`${plain(at * this.factor)} ${this.unit || this.data.x.name}`,
      ...this.shown.slice(0, 12).map((line) => `${line.label}: ${plain(stepAt(line.x, line.y, at))}`)]);
  }
}

const RANKS = Object.keys(FILLS);
const inOrder = (names) => [...names].sort((a, b) => (RANKS.indexOf(a) + 1 || 99) - (RANKS.indexOf(b) + 1 || 99) || (a < b ? -1 : 1));

// Stacked bars, one for each row {label, parts}.
function stacks(host, rows, unit) {
  const total = (row) => Object.values(row.parts).reduce((sum, each) => sum + each, 0);
  const longest = Math.max(...rows.map(total), 1e-12);
  const names = inOrder(new Set(rows.flatMap((row) => Object.keys(row.parts))));
  for (const row of rows) {
    host.append(make("div", { class: "barname" }, make("span", {}, row.label), make("b", {}, amount(total(row), unit))),
      make("div", { class: "bar" }, names.filter((name) => row.parts[name] > 0).map((name) => {
        const share = row.parts[name] / longest;
        const percent = `${Math.round(100 * row.parts[name] / total(row))} %`;
        return make("div", {
          style: `width:${100 * share}%;background:${fillOf(name)};color:${LIGHT_TEXT.includes(name) ? "#fff" : "#1c2733"}`,
          title: `${name}: ${amount(row.parts[name], unit)}, ${percent}`,
        }, share > 0.09 ? percent : "");
      })));
  }
  host.append(swatches(names));
}
function swatches(names) {
  return make("div", { class: "legend" }, inOrder(names).map((name) => make("span", {}, make("span", { class: "key swatch", style: `background:${fillOf(name)}` }), name)));
}
