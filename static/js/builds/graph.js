// The steps of a build, drawn as lanes: one for each stage, its steps one below the other, and lines where one stage
// takes something from another. A stage stands right of all that it builds on, so those that can be built at once
// stand below one another. Every step is a button, so the keyboard goes through them in order.
import { $, $$, el, setText } from "../dom.js";
import { size, span } from "../format.js";
import { secondsOf } from "./record.js";

const SVG = "http://www.w3.org/2000/svg";
const WORDS = { waiting: "waiting", running: "at work", cached: "cached", done: "done", failed: "failed", cancelled: "cancelled", skipped: "not needed" };
const BROKEN = new Set(["failed", "cancelled"]);
const FIRST = "Sources";

export class Graph {
  /** `onChoose(id)` is told which step a person wants to see. */
  constructor(root, onChoose) {
    this.root = root;
    this.onChoose = onChoose;
    this.cards = new Map();
    this.lanes = new Map();
    this.columns = [];
    this.lines = document.createElementNS(SVG, "svg");
    this.lines.setAttribute("class", "graph-lines");
    this.lines.setAttribute("aria-hidden", "true");
    this.inner = el("div", { class: "graph-lanes" });
    this.inner.append(this.lines);
    root.append(this.inner);
    root.addEventListener("click", (event) => {
      const card = event.target.closest("[data-step]");
      if (card) onChoose(card.dataset.step);
    });
    root.addEventListener("keydown", (event) => this.#move(event));
    new ResizeObserver(() => this.#draw()).observe(this.inner);
  }

  clear() {
    for (const column of this.columns) column.remove();
    this.columns = [];
    this.cards.clear();
    this.lanes.clear();
  }

  show(steps) {
    this.steps = steps;
    this.words = steps.some(({ state }) => BROKEN.has(state)) ? { ...WORDS, skipped: "not reached" } : WORDS;
    for (const step of steps) this.#card(step);
    this.#place(steps);
    this.#draw();
  }

  /** Only the running times, once a second. */
  tick(steps) {
    for (const step of steps) {
      if (step.state === "running") setText($("[data-took]", this.cards.get(step.id)), took(step, this.words));
    }
  }

  mark(id) {
    for (const [other, card] of this.cards) card.setAttribute("aria-pressed", String(other === id));
  }

  #lane(name) {
    const key = name || FIRST;
    let lane = this.lanes.get(key);
    if (!lane) {
      lane = el("section", { class: "lane", "aria-label": name ? `Stage ${name}` : "Sources" },
        el("h3", { class: "lane-name truncate" }, key), el("ol", { class: "lane-steps" }));
      this.lanes.set(key, lane);
    }
    return $("ol", lane);
  }

  #card(step) {
    let card = this.cards.get(step.id);
    if (!card) {
      card = el("button", { type: "button", class: "step-card", "data-step": step.id, "aria-pressed": "false" },
        el("span", { class: "step-mark" }), el("span", { class: "step-name" }), el("span", { class: "step-facts" },
          el("span", { "data-took": true }), el("span", { "data-size": true })));
      this.cards.set(step.id, card);
      this.#lane(step.stage).append(el("li", {}, card));
    }
    card.dataset.state = step.state;
    const name = nameOf(step);
    setText($(".step-name", card), name);
    card.title = step.name;
    setText($("[data-took]", card), took(step, this.words));
    setText($("[data-size]", card), sizeOf(step));
    card.setAttribute("aria-label", `${name}, ${this.words[step.state] ?? step.state}`);
  }

  /** Each lane into the column that it belongs to now. */
  #place(steps) {
    for (const [stage, at] of columnsOf(steps)) {
      while (this.columns.length <= at) {
        this.columns.push(el("div", { class: "graph-column" }));
        this.inner.append(this.columns.at(-1));
      }
      const lane = this.lanes.get(stage || FIRST);
      if (lane.parentNode !== this.columns[at]) this.columns[at].append(lane);
    }
  }

  #move(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const side = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const card = event.target.closest?.("[data-step]");
    if (!card || (!by && !side)) return;
    event.preventDefault();
    const lane = card.closest(".lane");
    if (by) {
      const cards = $$("[data-step]", lane);
      cards[Math.min(cards.length - 1, Math.max(0, cards.indexOf(card) + by))].focus();
    } else {
      const at = this.columns.indexOf(lane.parentNode) + side;
      $("[data-step]", this.columns[at] ?? card)?.focus();
    }
  }

  /** Lines between lanes; within one, order says it. They are left out where lanes lie below one another. */
  #draw() {
    const box = this.inner.getBoundingClientRect();
    this.lines.replaceChildren();
    const [first, second] = this.columns;
    if (second && second.offsetLeft === first.offsetLeft) return;
    this.lines.setAttribute("width", this.inner.scrollWidth);
    this.lines.setAttribute("height", this.inner.scrollHeight);
    for (const step of this.steps ?? []) {
      for (const input of step.inputs ?? []) {
        const from = this.cards.get(input);
        const to = this.cards.get(step.id);
        if (!from || !to || from.closest(".lane") === to.closest(".lane")) continue;
        this.lines.append(line(from.getBoundingClientRect(), to.getBoundingClientRect(), box, step.state));
      }
    }
  }
}

/** Stage → column: one more than the furthest of those that it takes something from. */
function columnsOf(steps) {
  const stageOf = new Map(steps.map((step) => [step.id, step.stage]));
  const found = new Map(steps.map((step) => [step.stage, 0]));
  for (let round = 0; round < found.size; round += 1) {
    for (const step of steps) {
      for (const input of step.inputs ?? []) {
        const stage = stageOf.get(input);
        if (stage === undefined || stage === step.stage) continue;
        found.set(step.stage, Math.max(found.get(step.stage), Math.min(found.get(stage) + 1, found.size)));
      }
    }
  }
  return found;
}

function line(from, to, box, state) {
  const forward = to.left >= from.right;
  const x1 = (forward ? from.right : from.left) - box.left;
  const x2 = (forward ? to.left : to.right) - box.left;
  const y1 = from.top + from.height / 2 - box.top;
  const y2 = to.top + to.height / 2 - box.top;
  const bend = Math.max(16, Math.abs(x2 - x1) / 2) * (forward ? 1 : -1);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`);
  path.dataset.state = state;
  return path;
}

/** What it adds to the image; how far a pull is while it lasts. */
function sizeOf(step) {
  if (step.state === "running" && step.total_bytes) return `${size(step.done_bytes)} of ${size(step.total_bytes)}`;
  return step.size_bytes ? `+${size(step.size_bytes)}` : "";
}

function took(step, words) {
  if (step.state === "cached" || step.state === "skipped") return words[step.state];
  const seconds = secondsOf(step);
  return seconds === null ? "" : span(seconds);
}

/** A step's name without the "[stage 2/5]" that terminals need and a lane says. */
export function nameOf(step) {
  return step.name.replace(/^\[[^\]]*\]\s*/, "");
}

/** The slowest first, with bars in proportion. */
export function fillSlowest(list, steps, onChoose) {
  const timed = steps.map((step) => [step, secondsOf(step)]).filter(([, seconds]) => seconds !== null).sort((a, b) => b[1] - a[1]);
  const longest = timed[0]?.[1] || 1;
  list.replaceChildren(...timed.map(([step, seconds]) => {
    const bar = el("span", { class: "slow-bar" });
    bar.style.inlineSize = `${Math.max(0.5, (100 * seconds) / longest)}%`;
    return el("li", {}, el("button", { type: "button", class: "slow-step", "data-state": step.state, onclick: () => onChoose(step.id) },
      el("span", { class: "slow-name" }, el("span", { class: "step-mark" }), el("span", { class: "truncate code" }, nameOf(step))),
      el("span", { class: "slow-took numeric" }, step.state === "cached" ? "cached" : span(seconds)), bar));
  }));
}
