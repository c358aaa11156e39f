// How much was in a volume over time: steps, since a size holds until another one was seen.
import { settled } from "../actions.js";
import { api, attempt } from "../api.js";
import { $, $$, setText } from "../dom.js";
import { size } from "../format.js";
import { jobEnd } from "../live.js";
import { colour } from "../theme.js";
import uPlot from "../../vendor/uplot/uPlot.esm.js";

const DAY = 86400;

export class Sizes {
  #plot = null;
  #sizes = [];
  #limit = null;

  constructor(root, id) {
    this.root = root;
    this.id = id;
    this.area = $("[data-size-plot]", root);
    this.span = Number($("[data-span][aria-current]", root).dataset.span);
    root.addEventListener("click", (event) => {
      const span = event.target.closest("[data-span]");
      if (span) {
        event.preventDefault();
        this.#choose(span);
      }
      const button = event.target.closest("[data-measure]");
      if (button && button.getAttribute("aria-busy") !== "true") this.#measure(button);
    });
    addEventListener("themechange", () => this.#draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#plot?.setSize({ width: this.area.clientWidth, height: this.area.clientHeight })).observe(this.area);
  }

  get isShown() {
    return this.root.offsetParent !== null;
  }

  async load() {
    const [{ sizes }, volume] = await Promise.all([attempt("GET", `volumes/${this.id}/sizes/`), attempt("GET", `volumes/${this.id}/`)].map(async (one) => (await one) ?? {}));
    if (!sizes) return;
    this.#sizes = sizes.map((one) => ({ at: Date.parse(one.at) / 1000, bytes: one.size_bytes }));
    this.#limit = volume.limit_bytes ?? null;
    if (this.#sizes.length && volume.measured_at) this.#sizes.push({ at: Date.parse(volume.measured_at) / 1000, bytes: volume.size_bytes });
    this.#draw();
  }

  #choose(span) {
    for (const other of $$("[data-span]", this.root)) other.toggleAttribute("aria-current", false);
    span.setAttribute("aria-current", "true");
    this.span = Number(span.dataset.span);
    this.#draw();
  }

  async #measure(button) {
    button.setAttribute("aria-busy", "true");
    const accepted = await attempt("POST", `volumes/${this.id}/measure/`, {});
    if (accepted) settled(await jobEnd(accepted.job.id, () => api("GET", accepted.job.url)), "Look how much is in it");
    button.removeAttribute("aria-busy");
    this.load();
  }

  #draw() {
    this.#plot?.destroy();
    this.#plot = null;
    this.area.hidden = this.#sizes.length === 0;
    setText($("[data-size-note]", this.root), this.#sizes.length ? "" : "Its size is looked up now and then; once that was done, it is drawn here over time.");
    if (!this.#sizes.length || !this.isShown) return;
    const now = Date.now() / 1000;
    const from = this.span ? now - this.span * DAY : Math.min(this.#sizes[0].at, now - 3600);
    const before = this.#sizes.findLast((one) => one.at < from);
    const shown = [...(before ? [{ at: from, bytes: before.bytes }] : []), ...this.#sizes.filter((one) => one.at >= from)];
    shown.push({ at: now, bytes: this.#sizes.at(-1).bytes });
    const at = shown.map((one) => one.at);
    const top = Math.max(this.#limit ?? 0, ...shown.map((one) => one.bytes));
    const data = [at, shown.map((one) => one.bytes), ...(this.#limit ? [at.map(() => this.#limit)] : [])];
    this.#plot = new uPlot(this.#options(from, now, ceiling(top)), data, this.area);
  }

  #options(from, to, top) {
    const stroke = colour("--plot-memory");
    const axis = { stroke: colour("--ink-faint"), grid: { stroke: colour("--plot-grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const steps = uPlot.paths.stepped({ align: 1 });
    return {
      width: this.area.clientWidth, height: this.area.clientHeight, padding: [10, 18, 0, 0], legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true, range: () => [from, to] }, y: { range: () => [0, top] } },
      axes: [{ ...axis, size: 24, space: 90, values: (_, splits) => splits.map((one) => timeText(one, to - from)) }, { ...axis, size: 66, space: 32, splits: () => [0, 1, 2, 3, 4].map((part) => (top / 4) * part), values: (_, splits) => splits.map((value) => size(Math.round(value))) }],
      series: [{}, { stroke, width: 1.75, fill: stroke.replace("rgb(", "rgba(").replace(")", ", 0.12)"), paths: steps, points: { show: false } }, ...(this.#limit ? [{ stroke: colour("--bad-mark"), width: 1, dash: [5, 5], points: { show: false } }] : [])],
      hooks: { setCursor: [(plot) => this.#hover(plot)] },
    };
  }

  #hover(plot) {
    const index = plot.cursor.idx;
    const isOver = index !== null && index !== undefined && plot.cursor.left >= 0;
    setText($("[data-size-note]", this.root), isOver ? `${size(plot.data[1][index])} from ${new Date(plot.data[0][index] * 1000).toLocaleString()} on` : "");
  }
}

function timeText(at, span) {
  const time = new Date(at * 1000);
  return span > 3 * DAY ? time.toLocaleDateString([], { month: "short", day: "numeric" }) : time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(span > DAY && { weekday: "short" }) });
}

/** Round, divided by four at round places, and never so low that a little looks like much. */
function ceiling(top) {
  const wanted = Math.max(4096, top * 1.1);
  const unit = 2 ** Math.floor(Math.log2(wanted));
  return [1, 1.25, 1.5, 2].map((factor) => factor * unit).find((one) => one >= wanted);
}
