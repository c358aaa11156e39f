// CPU and memory of one container: the last half hour, then every sample as it comes.
import { $, $$, setText } from "./dom.js";
import { percent, rate, size } from "./format.js";
import { ReturningSocket } from "./socket.js";
import { colour } from "./theme.js";
import uPlot from "../vendor/uplot/uPlot.esm.js";

const KEEP = 900;
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const CLOSE = { ...CLOCK, second: "2-digit" };
const LABEL_HALF = 8;
const CLOSE_SECONDS = 240;
const LEAST_SECONDS = 20;
const COUNTERS = { rx: "network_rx_bytes", tx: "network_tx_bytes", read: "block_read_bytes", write: "block_write_bytes" };

export class Plots {
  constructor(root, containerId) {
    this.root = root;
    this.samples = [];
    this.plots = new Map();
    this.running = true;
    this.socket = new ReturningSocket(`/ws/containers/${containerId}/stats/`, {
      onMessage: (message) => {
        if (message.type === "history") this.samples = message.samples.slice(-KEEP);
        else if (message.type === "sample") this.#push(message.sample);
        this.#show();
      },
    });
    addEventListener("themechange", () => this.#redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  open() {
    this.socket.open();
    this.#redraw();
  }

  #push(sample) {
    this.samples.push(sample);
    if (this.samples.length > KEEP) this.samples.splice(0, this.samples.length - KEEP);
  }

  #redraw() {
    for (const plot of this.plots.values()) plot.destroy();
    this.plots.clear();
    this.#plot("cpu", "--plot-cpu", percent);
    this.#plot("memory", "--plot-memory", size);
    this.#show();
  }

  #plot(name, token, format) {
    const area = $(`[data-plot="${name}"]`, this.root);
    const stroke = colour(token);
    const axis = { stroke: colour("--ink-faint"), grid: { stroke: colour("--plot-grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const plot = new uPlot({
      width: area.clientWidth, height: area.clientHeight, padding: [8, 18, below, 0], legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true, range: stretch }, y: { range: (_, low, high) => [0, ceiling(name, high)] } },
      axes: [{ ...axis, size: 22, space: 70, values: clockValues }, { ...axis, size: 62, space: 26, splits: name === "memory" ? binarySplits : undefined, values: (_, splits) => splits.map((value) => format(value)) }],
      series: [{}, { stroke, width: 1.5, fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.12)"), points: { show: false }, spanGaps: false }],
      hooks: { setCursor: [(self) => this.#hover(name, self, format)] },
    }, [[], []], area);
    this.plots.set(name, plot);
    this.sizes ??= new ResizeObserver((entries) => {
      for (const entry of entries) this.plots.get(entry.target.dataset.plot)?.setSize({ width: entry.target.clientWidth, height: entry.target.clientHeight });
    });
    this.sizes.observe(area);
  }

  #show() {
    const at = this.samples.map((sample) => sample.at);
    this.plots.get("cpu")?.setData([at, this.samples.map((sample) => sample.cpu_percent)]);
    this.plots.get("memory")?.setData([at, this.samples.map((sample) => sample.memory_bytes)]);
    this.#now();
  }

  /** What stands beside the plots is of now: nothing while the container doesn't run. */
  setRunning(running) {
    this.running = running;
    this.#now();
  }

  #now() {
    const last = this.samples.at(-1);
    const now = (name, text) => $$(`[data-now="${name}"], [data-now-too="${name}"]`, this.root).forEach((place) => setText(place, text));
    if (!last || !this.running) {
      for (const name of ["cpu", "memory", "pids", ...Object.keys(COUNTERS)]) now(name, "–");
      return;
    }
    if (!this.hovering) {
      now("cpu", percent(last.cpu_percent));
      now("memory", last.memory_limit_bytes ? `${size(last.memory_bytes)} of ${size(last.memory_limit_bytes)}` : size(last.memory_bytes));
    }
    const before = this.samples.at(-2);
    for (const [name, field] of Object.entries(COUNTERS)) {
      const seconds = before ? last.at - before.at : 0;
      now(name, seconds > 0 && last[field] !== undefined ? rate((last[field] - before[field]) / seconds) : "–");
    }
    now("pids", last.pids ?? "–");
  }

  #hover(name, plot, format) {
    const index = plot.cursor.idx;
    this.hovering = index !== null && index !== undefined && plot.cursor.left >= 0;
    if (!this.hovering) return this.#now();
    const sample = this.samples[index];
    if (sample) setText($(`[data-now="${name}"]`, this.root), `${format(name === "cpu" ? sample.cpu_percent : sample.memory_bytes)} at ${new Date(sample.at * 1000).toLocaleTimeString()}`);
  }
}

/** Room for half of the lowest label: without samples there is no axis of time under it. */
function below(plot) {
  return plot.scales.x.min == null ? LABEL_HALF : 0;
}

/** From the first sample to the last; one alone is drawn at the end of a short while: uPlot would show the day after it. */
function stretch(plot, from, to) {
  const last = plot.data?.[0]?.at(-1);
  return from == null || last === undefined ? [from, to] : [Math.min(from, last - LEAST_SECONDS), last];
}

function clockValues(plot, splits) {
  const form = plot.scales.x.max - plot.scales.x.min < CLOSE_SECONDS ? CLOSE : CLOCK;
  return splits.map((at) => new Date(at * 1000).toLocaleTimeString([], form));
}

/** The top of the scale: round, and never so low that idling looks like work. */
function ceiling(name, high) {
  if (name === "cpu") return Math.max(5, Math.ceil((high * 1.15) / 5) * 5);
  const step = 2 ** Math.max(18, Math.floor(Math.log2(Math.max(1, high))) - 1);
  return Math.max(1 << 20, Math.ceil((high * 1.1) / step) * step);
}

/** Memory is divided at powers of two. */
function binarySplits(_, __, low, high) {
  const step = 2 ** Math.max(18, Math.ceil(Math.log2(high / 4)));
  return Array.from({ length: Math.floor(high / step) + 1 }, (___, index) => index * step);
}
