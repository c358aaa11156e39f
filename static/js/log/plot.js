// The log over its whole time as a row of bars, by level: to see where the errors are, and to go there.
import { $, setText } from "../dom.js";
import { colour } from "../theme.js";
import { clock } from "./line.js";
import { LEVELS } from "./levels.js";

const BUCKETS = 160;
const AGAIN_MS = 150;
const FIRST_MS = 700;
const FRESH_MS = 10_000;
/** Of a container that its host has not, or no longer: there is no log of it. */
const NOTHING = { buckets: [], from: 0, to: 0, complete: true };
const NAMES = { error: ["error", "errors"], warn: ["warning", "warnings"] };

export class LogPlot {
  /** `load(buckets)` answers the host's histogram; `onPick(unixSeconds)`; `onCounts({level: lines}, isComplete)`. */
  constructor(root, { load, onPick, onCounts }) {
    Object.assign(this, { root, load, onPick, onCounts, data: null, hover: null, place: null, timer: 0, isStale: true });
    this.canvas = $("canvas", root);
    this.area = $("[data-log-plot-area]", root);
    this.area.addEventListener("pointermove", (event) => this.#hover(this.#bucket(event)));
    this.area.addEventListener("pointerleave", () => this.#hover(null));
    this.area.addEventListener("click", (event) => this.#pick(this.#bucket(event)));
    this.area.addEventListener("keydown", (event) => this.#onKey(event));
    this.area.addEventListener("blur", () => this.#hover(null));
    new ResizeObserver(() => this.draw()).observe(this.area);
    addEventListener("themechange", () => this.draw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Lines have come: what is drawn will be drawn anew, before long. */
  stale() {
    this.isStale = true;
    if (!this.timer) this.timer = setTimeout(() => this.refresh(), this.root.hidden ? FIRST_MS : FRESH_MS);
  }

  async refresh() {
    clearTimeout(this.timer);
    this.timer = -1;
    this.isStale = false;
    let wait = null;
    try {
      const data = await this.load(BUCKETS).catch((problem) => {
        if (problem.status === 404) return NOTHING;
        throw problem;
      });
      this.data = data.buckets.length && data.to > 0 ? data : null;
      wait = data.complete ? null : AGAIN_MS;
      this.#tell();
      this.draw();
    } catch {
      wait = FRESH_MS;
    }
    const isDue = wait !== null || this.isStale;
    this.timer = isDue ? setTimeout(() => this.refresh(), wait ?? (this.root.hidden ? FIRST_MS : FRESH_MS)) : 0;
  }

  /** Mark where one is: from and to in Unix seconds. */
  mark(from, to) {
    if (this.place?.[0] === from && this.place?.[1] === to) return;
    this.place = [from, to];
    this.draw();
  }

  #tell() {
    const counts = Object.fromEntries(LEVELS.map((name, level) => [name, (this.data?.buckets ?? []).reduce((sum, bucket) => sum + bucket[level], 0)]));
    this.onCounts(counts, this.data?.complete ?? true);
    this.root.hidden = !this.data || Object.values(counts).every((count) => !count);
    if (this.root.hidden) return;
    setText($("[data-log-plot-from]", this.root), clock(this.data.from).slice(0, -4));
    setText($("[data-log-plot-to]", this.root), clock(this.data.to).slice(0, -4));
  }

  draw() {
    const { data, canvas } = this;
    const { clientWidth: width, clientHeight: height } = this.area;
    if (!data || !width) return;
    const ratio = devicePixelRatio || 1;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const colours = LEVELS.map((name) => colour(`--log-${name}`));
    const step = width / data.buckets.length;
    const most = Math.max(1, ...data.buckets.map((bucket) => bucket.reduce((sum, count) => sum + count, 0)));
    if (this.place) {
      const at = (moment) => ((moment - data.from) / (data.to - data.from || 1)) * width;
      context.fillStyle = colour("--accent-tint");
      context.fillRect(Math.max(0, at(this.place[0]) - 1), 0, Math.max(3, at(this.place[1]) - at(this.place[0])), height);
    }
    data.buckets.forEach((bucket, number) => {
      let y = height;
      bucket.forEach((count, level) => {
        if (!count) return;
        const tall = Math.max(level >= 3 ? 2 : 1, Math.sqrt(count / most) * (height - 3) * (count / Math.max(1, bucket.reduce((sum, one) => sum + one, 0))));
        context.fillStyle = colours[level];
        context.fillRect(number * step + 0.5, y - tall, Math.max(1, step - 1), tall);
        y -= tall;
      });
    });
    if (this.hover !== null) {
      context.fillStyle = colour("--ink-faint");
      context.fillRect(Math.round((this.hover + 0.5) * step) - 0.5, 0, 1, height);
    }
  }

  #bucket(event) {
    const box = this.area.getBoundingClientRect();
    return Math.min(BUCKETS - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * BUCKETS)));
  }

  #when(bucket) {
    return this.data.from + ((this.data.to - this.data.from) / this.data.buckets.length) * bucket;
  }

  #hover(bucket) {
    if (!this.data) return;
    this.hover = bucket;
    const told = $("[data-log-plot-told]", this.root);
    told.hidden = bucket === null;
    if (bucket !== null) {
      const counts = this.data.buckets[bucket];
      const total = counts.reduce((sum, count) => sum + count, 0);
      const parts = [`${total.toLocaleString("en")} line${total === 1 ? "" : "s"}`];
      for (const name of ["error", "warn"]) {
        const count = counts[LEVELS.indexOf(name)];
        if (count) parts.push(`${count.toLocaleString("en")} ${NAMES[name][count === 1 ? 0 : 1]}`);
      }
      const text = `${clock(this.#when(bucket)).slice(0, -4)} · ${parts.join(", ")}`;
      setText(told, text);
      this.area.setAttribute("aria-valuenow", String(bucket));
      this.area.setAttribute("aria-valuetext", text);
    }
    this.draw();
  }

  #pick(bucket) {
    if (this.data) this.onPick(bucket === 0 ? 0 : this.#when(bucket));
  }

  #onKey(event) {
    const at = this.hover ?? BUCKETS - 1;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: BUCKETS - 1, PageUp: at - 10, PageDown: at + 10 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.#pick(at);
    else if (to === undefined) return;
    else this.#hover(Math.min(BUCKETS - 1, Math.max(0, to)));
    event.preventDefault();
    event.stopPropagation();
  }
}
