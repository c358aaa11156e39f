// The log of one container: socket → lines → rows in sight, and the bar above them.
//
// Every message says how far it goes (`cursor`). After a break the socket asks for what follows the last cursor
// and drops what it has had already, so that no line is missing and none comes twice.
import { $, $$, setText } from "../dom.js";
import { ReturningSocket } from "../socket.js";
import { plain } from "./ansi.js";
import { LineBuffer } from "./buffer.js";
import { Finder } from "./find.js";
import { lineElement } from "./line.js";
import { VirtualList } from "./view.js";

const FIRST_LINES = 5000;
const STORE = "portside.log";
const STATES = { connecting: ["", "Connecting"], live: ["live", "Live"], complete: ["", "Complete"], waiting: ["lost", "Reconnecting"], ended: ["", "Ended"], closed: ["", "Closed"] };

export class LogViewer {
  constructor(root, containerId) {
    this.root = root;
    this.view = $("[data-log-view]", root);
    this.buffer = new LineBuffer();
    this.cursor = null;
    this.options = { times: false, wrap: false, ...remembered(), filter: false };
    this.current = null;
    this.unseen = 0;
    this.missing = null;
    this.running = true;
    this.finder = new Finder(this.buffer, () => this.#found());
    this.list = new VirtualList(this.view, this.#source(), { onFollow: () => this.#showJump() });
    this.list.wrap = this.options.wrap;
    this.socket = new ReturningSocket(`/ws/containers/${containerId}/logs/`, {
      parameters: () => (this.cursor === null ? { tail: FIRST_LINES } : { cursor: this.cursor }),
      onMessage: (message) => this.#receive(message),
      onState: (state) => (state === "closed" && this.ended ? this.#state("ended") : this.#state(state)),
    });
    this.#controls();
    this.#applyOptions();
  }

  /** Open, or go on after the container was started again. */
  open() {
    this.ended = false;
    this.socket.open();
  }

  /** A log that nothing is written to is not called live. */
  setRunning(running) {
    this.running = running;
    if (this.state === "live") this.#state("live");
  }

  get pattern() {
    return this.finder.pattern;
  }

  #source() {
    const line = (index) => (this.filtering ? this.finder.lines[index] : this.buffer.first + index);
    return {
      count: () => (this.filtering ? this.finder.lines.length : this.buffer.length),
      key: line,
      stamp: (index) => `${this.buffer.text(line(index))?.length}:${this.stampOfLook}:${line(index) === this.current}`,
      rowsOf: (index) => Math.max(1, Math.ceil((plain(this.buffer.text(line(index))).length + (this.options.times ? 26 : 0)) / this.columns)),
      draw: (index) => lineElement({
        raw: this.buffer.text(line(index)), at: this.buffer.time(line(index)), stream: this.buffer.stream(line(index)),
        times: this.options.times, pattern: this.pattern, current: line(index) === this.current,
      }),
    };
  }

  get filtering() {
    return this.options.filter && this.finder.active;
  }

  get stampOfLook() {
    return `${this.options.times}${this.finder.text}`;
  }

  get columns() {
    if (!this.charWidth) {
      const probe = document.createElement("span");
      probe.textContent = "0".repeat(100);
      $(".log-rows", this.view).append(probe);
      this.charWidth = probe.getBoundingClientRect().width / 100 || 7.5;
      probe.remove();
    }
    return Math.max(10, Math.floor((this.view.clientWidth - 31) / this.charWidth));
  }

  #receive(message) {
    if (message.type === "log") this.#add(message);
    else if (message.type === "end") {
      this.ended = true;
      this.socket.close();
      this.#state("ended");
    } else if (message.type === "error") {
      $("[data-log-state]", this.root).title = message.error?.message ?? "";
      // A host that can't be reached now is tried again; any other answer will not change by asking.
      if (message.error?.family === "unavailable") return;
      this.socket.close();
      this.#state("closed", message.error?.message);
    }
    this.#showEmpty();
  }

  #add(message) {
    if (this.cursor !== null && message.cursor <= this.cursor) return;
    // What was logged before the first chunk: bytes, as cursors are.
    this.missing ??= this.cursor === null ? message.cursor - bytesOf(message.chunks) : 0;
    this.cursor = message.cursor;
    const before = this.buffer.end;
    let lowest = before;
    for (const chunk of message.chunks) lowest = Math.min(lowest, this.buffer.add(chunk));
    const dropped = this.buffer.trim();
    if (dropped) {
      const hidden = this.finder.dropped();
      this.list.dropped(this.filtering ? hidden : dropped);
    }
    this.finder.grown(lowest);
    if (!this.list.following) this.unseen += this.buffer.end - before;
    this.#showJump();
    this.list.grown(this.filtering || lowest >= before ? null : lowest - this.buffer.first);
  }

  #state(state, text = null) {
    const mark = $("[data-log-state]", this.root);
    const [look, word] = state === "live" && !this.running ? STATES.complete : STATES[state];
    this.state = state;
    mark.dataset.state = look;
    setText(mark, text ?? word);
    if (state === "live") this.#showEmpty();
  }

  #showEmpty() {
    $("[data-log-empty]", this.root).hidden = this.buffer.length > 0;
  }

  #showJump() {
    if (this.list.following) this.unseen = 0;
    const jump = $("[data-log-jump]", this.root);
    jump.hidden = this.list.following;
    setText($("span", jump), this.unseen ? `${this.unseen.toLocaleString("en")} new` : "Latest");
  }

  #controls() {
    const find = $("[data-log-find]", this.root);
    find.addEventListener("input", () => {
      this.finder.set(find.value);
      this.current = null;
      this.#found(true);
    });
    find.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.#step(event.shiftKey ? -1 : 1);
    });
    $("[data-log-next]", this.root).addEventListener("click", () => this.#step(1));
    $("[data-log-previous]", this.root).addEventListener("click", () => this.#step(-1));
    $("[data-log-jump]", this.root).addEventListener("click", () => this.list.toEnd());
    $("[data-log-earlier]", this.root).addEventListener("click", () => this.#loadAll());
    this.view.addEventListener("scroll", () => this.#showEarlier(), { passive: true });
    $("[data-log-clear]", this.root).addEventListener("click", () => {
      this.buffer.first = this.buffer.end;
      Object.assign(this.buffer, { texts: [], times: [], streams: [] });
      this.finder.set(this.finder.text);
      this.list.rebuild();
      this.list.toEnd();
    });
    for (const button of $$("[data-log-toggle]", this.root)) {
      button.addEventListener("click", () => {
        this.options[button.dataset.logToggle] = !this.options[button.dataset.logToggle];
        this.#applyOptions();
      });
    }
  }

  /** Begin again at the first line; the page keeps as many as it can hold. */
  #loadAll() {
    this.socket.close();
    this.buffer.clear();
    Object.assign(this, { cursor: 0, missing: 0, current: null });
    this.finder.set(this.finder.text);
    this.list.rebuild();
    this.list.toEnd();
    this.#showEarlier();
    this.open();
  }

  #showEarlier() {
    $("[data-log-earlier]", this.root).hidden = !(this.missing > 0) || this.list.firstInSight > 0;
  }

  #applyOptions() {
    for (const button of $$("[data-log-toggle]", this.root)) button.setAttribute("aria-pressed", String(this.options[button.dataset.logToggle]));
    const first = this.list.firstInSight;
    this.list.wrap = this.options.wrap;
    this.view.classList.toggle("log-wrap", this.options.wrap);
    this.list.rebuild(first);
    try {
      localStorage.setItem(STORE, JSON.stringify({ times: this.options.times, wrap: this.options.wrap }));
    } catch {
      // Without storage the choice holds for this page.
    }
  }

  #found(fresh = false) {
    const found = $("[data-log-found]", this.root);
    const count = this.finder.lines.length;
    setText(found, this.finder.active ? `${count.toLocaleString("en")}${this.finder.done ? "" : "+"} line${count === 1 ? "" : "s"}` : "");
    for (const name of ["next", "previous"]) $(`[data-log-${name}]`, this.root).hidden = !this.finder.active;
    if (fresh) this.list.rebuild();
    else if (this.filtering) this.list.grown();
  }

  #step(by) {
    const lines = this.finder.lines;
    if (!lines.length) return;
    const from = this.current ?? this.buffer.first + this.list.firstInSight;
    let at = this.finder.lowerBound(from);
    if (by > 0 && lines[at] === this.current) at += 1;
    if (by < 0) at -= 1;
    at = (at + lines.length) % lines.length;
    this.current = lines[at];
    this.list.show(this.filtering ? at : this.current - this.buffer.first);
  }
}

function bytesOf(chunks) {
  const encoder = new TextEncoder();
  return chunks.reduce((sum, chunk) => sum + encoder.encode(chunk.text).length, 0);
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {};
  }
}
