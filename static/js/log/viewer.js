// The log of one container: lines of its host and lines that come live, as rows in sight, and the bar above them.
//
// Every message of the socket says how far it goes (`cursor`). After a break the socket asks for what follows the last
// cursor, so that no line is missing and none comes twice. All that was logged before the page came is asked for by parts
// when somebody looks at it (store.js), looks for something (matches.js) or for a time (plot.js).
import { $, $$, setText } from "../dom.js";
import { ReturningSocket } from "../socket.js";
import { plain } from "./ansi.js";
import { LogHost } from "./host.js";
import { absentElement, lineElement } from "./line.js";
import { Matches } from "./matches.js";
import { LogPlot } from "./plot.js";
import { LogStore } from "./store.js";
import { chosenLevels, copyLines, setMoment, startDownload, startTimeMenu } from "./tools.js";
import { VirtualList } from "./view.js";

const FIRST_LINES = 1000;
const SKIP_BYTES = 4 << 20;
const TYPING_MS = 200;
const STORE = "portside.log";
const STATES = { connecting: ["", "Connecting"], live: ["live", "Live"], complete: ["", "Complete"], waiting: ["lost", "Reconnecting"], ended: ["", "Ended"], closed: ["", "Closed"] };

export class LogViewer {
  constructor(root, containerId, { live = true } = {}) {
    this.root = root;
    this.view = $("[data-log-view]", root);
    this.options = { times: false, wrap: false, matchCase: false, expression: false, ...remembered(), filter: false };
    Object.assign(this, { current: null, unseen: 0, running: live, look: 0, typing: 0, stepping: 0 });
    this.host = new LogHost(containerId);
    this.store = new LogStore(this.host, {
      grown: (changed, before) => this.#grown(changed, before),
      moved: (row, count) => this.#moved(row, count),
      dropped: (count) => this.#dropped(count),
      loaded: () => this.list.schedule(),
      handed: (from, to) => this.matches.handed(from, to),
      reset: () => this.#search(),
    });
    this.matches = new Matches(this.host, this.store, (problem) => this.#found(problem));
    this.list = new VirtualList(this.view, this.#source(), { onFollow: () => this.#showJump() });
    this.plot = new LogPlot($("[data-log-plot]", root), {
      load: (buckets) => this.host.histogram(buckets),
      onPick: (at) => this.goTo(at),
      onCounts: (counts, isComplete) => this.#counts(counts, isComplete),
    });
    this.socket = new ReturningSocket(`/ws/containers/${containerId}/logs/`, {
      parameters: () => ({ ...(this.store.cursor === null ? { tail: FIRST_LINES } : { cursor: this.store.cursor }), skip: SKIP_BYTES }),
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
    this.plot.refresh();
  }

  /** A log that nothing is written to is not called live. */
  setRunning(running) {
    this.running = running;
    if (this.state === "live") this.#state("live");
  }

  /** Show the first line that was logged at a moment (Unix seconds) or later. */
  async goTo(at) {
    try {
      const { cursor, line } = await this.host.moment(at);
      if (line === null) return this.list.toEnd();
      const { store } = this;
      if (this.filtering) return this.list.show(this.matches.indexFrom(line <= store.liveFrom ? { end: line } : { live: this.#liveAt(at) }));
      if (cursor >= store.liveFrom) return this.list.show(store.rowOfLive(this.#liveAt(at)));
      const row = await store.outline.rowOf(line);
      if (row !== null) this.list.show(row);
    } catch (problem) {
      this.#told(problem.message);
    }
  }

  get filtering() {
    return this.matches.active && !this.matches.problem && (this.options.filter || !this.matches.query.text || this.matches.query.levels !== null || this.matches.query.stream !== null);
  }

  /** The line at a row of what is shown, null while it is not here. */
  line(index) {
    return this.filtering ? this.matches.line(index) : this.store.line(index);
  }

  #source() {
    return {
      count: () => (this.filtering ? this.matches.count : this.store.count),
      key: (index) => (this.filtering ? Object.values(this.matches.at(index)).join() + Object.keys(this.matches.at(index)) : this.store.key(index)),
      stamp: (index) => {
        const line = this.line(index);
        return line ? `${line.text.length}:${this.look}:${this.#isCurrent(line)}:${this.matches.isMarked(line.text)}` : "absent";
      },
      rowsOf: (index) => {
        const line = this.line(index);
        return line ? Math.max(1, Math.ceil((plain(line.text).length + (this.options.times ? 26 : 0)) / this.columns)) : 1;
      },
      draw: (index) => {
        const line = this.line(index);
        if (!line) return absentElement(index);
        return lineElement({ raw: line.text, at: line.at, stream: line.stream, times: this.options.times, marks: this.matches.marks(line.text), current: this.#isCurrent(line) });
      },
      want: (first, last) => {
        if (this.filtering) this.matches.want(first, last);
        else this.store.outline.want(first, last);
        this.#markPlace();
      },
    };
  }

  #isCurrent(line) {
    return this.current !== null && (line.live !== undefined ? line.live === this.current.live : line.end === this.current.end);
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
    if (message.type === "log") {
      const fresh = this.store.add(message);
      if (!this.list.following) this.unseen += fresh;
      this.#showJump();
      this.plot.stale();
    } else if (message.type === "end") {
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

  #grown(changed, before) {
    this.matches.grown(changed);
    const isOld = changed !== null && changed < before;
    this.list.grown(this.filtering || !isOld ? null : this.store.rowOfLive(changed));
  }

  #moved(row, count) {
    if (this.store?.isHanding) return;
    if (this.filtering) this.list.schedule();
    else this.list.moved(row, count);
    if (this.matches.active && !this.matches.problem && count > 0 && !this.matches.ranges.length && !this.matches.ends.length) this.#search(); // there is more to look through now
    this.#showEmpty();
  }

  #dropped(count) {
    const hidden = this.matches.dropped();
    this.list.moved(0, -(this.filtering ? hidden : count));
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
    $("[data-log-empty]", this.root).hidden = this.store.count > 0 || this.state === "connecting";
    const isCleared = this.store.isCleared && this.store.cursor > 0;
    $("[data-log-cleared]", this.root).hidden = !isCleared;
    $("[data-log-why]", this.root).hidden = isCleared;
    this.#showNone();
  }

  #showNone() {
    $("[data-log-none]", this.root).hidden = !this.filtering || this.matches.count > 0 || !this.matches.done || this.store.count === 0;
  }

  #showJump() {
    if (this.list.following) this.unseen = 0;
    const jump = $("[data-log-jump]", this.root);
    jump.hidden = this.list.following;
    setText($("span", jump), this.unseen ? `${this.unseen.toLocaleString("en")} new` : "Latest");
    const pause = $("[data-log-pause]", this.root);
    pause.setAttribute("aria-pressed", String(!this.list.following));
  }

  #markPlace() {
    const first = this.line(this.list.firstInSight);
    const last = this.line(this.list.lastInSight);
    if (first && last) this.plot.mark(first.at, last.at);
    this.inSight = first?.at ?? this.inSight;
  }

  #counts(counts, isComplete) {
    for (const chip of $$("[data-log-level]", this.root)) {
      const count = counts[chip.dataset.logLevel];
      setText($("[data-count]", chip), count ? `${count.toLocaleString("en")}${isComplete ? "" : "+"}` : "");
      chip.hidden = !count && isComplete && chip.getAttribute("aria-pressed") !== "true";
    }
  }

  #controls() {
    const find = $("[data-log-find]", this.root);
    find.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.#search(), TYPING_MS);
    });
    find.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.view.focus();
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (this.typing) this.#search(); // else it would go through what was looked for before
      this.#step(event.shiftKey ? -1 : 1);
    });
    $("[data-log-next]", this.root).addEventListener("click", () => this.#step(1));
    $("[data-log-previous]", this.root).addEventListener("click", () => this.#step(-1));
    $("[data-log-jump]", this.root).addEventListener("click", () => this.list.toEnd());
    $("[data-log-pause]", this.root).addEventListener("click", () => (this.list.following ? this.list.hold() : this.list.toEnd()));
    $("[data-log-clear]", this.root).addEventListener("click", () => this.#clear());
    $("[data-log-copy]", this.root).addEventListener("click", () => copyLines(this.view, () => this.#rowsInSight(), this.options.times));
    for (const button of $$("[data-log-toggle]", this.root)) {
      button.addEventListener("click", () => {
        this.options[button.dataset.logToggle] = !this.options[button.dataset.logToggle];
        this.#applyOptions();
        if (["matchCase", "expression"].includes(button.dataset.logToggle)) this.#search();
      });
    }
    for (const chip of $$("[data-log-level]", this.root)) {
      chip.addEventListener("click", () => {
        chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
        this.#search();
      });
    }
    $("[data-log-stream]", this.root).addEventListener("change", () => this.#search());
    startTimeMenu(this.root, (at) => this.goTo(at));
    startDownload(this.root, this.host, () => this.root.dataset.name);
    $("[data-log-time]", this.root).closest("details").addEventListener("toggle", () => this.inSight && setMoment($("[data-log-time]", this.root).elements.at, this.inSight));
    this.root.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const act = { n: () => this.#step(1), N: () => this.#step(-1), g: () => this.list.show(0), G: () => this.list.toEnd() }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation(); // g alone is the site's own
    act();
  }

  /** Look for what field, chips and stream say; nothing when they say nothing. */
  #search() {
    clearTimeout(this.typing);
    Object.assign(this, { typing: 0, stepping: 0 });
    const text = $("[data-log-find]", this.root).value;
    const query = { text, expression: this.options.expression, matchCase: this.options.matchCase, levels: chosenLevels(this.root), stream: $("[data-log-stream]", this.root).value || null };
    const wasFiltering = this.filtering;
    this.current = null;
    this.#told("");
    this.matches.set(text || query.levels || query.stream ? query : null);
    this.look += 1;
    this.#found(null);
    if (wasFiltering || this.filtering) this.list.following || this.list.toEnd();
    this.list.rebuild(this.list.firstInSight);
  }

  #clear() {
    this.store.clear();
    this.list.toEnd();
    this.#showEmpty();
  }

  #rowsInSight() {
    const rows = [];
    for (let index = this.list.firstInSight; index <= this.list.lastInSight; index += 1) {
      const line = this.line(index);
      if (line) rows.push(line);
    }
    return rows;
  }

  #liveAt(at) {
    const { buffer } = this.store;
    for (let line = buffer.first; line < buffer.end; line += 1) if (buffer.time(line) >= at) return line;
    return buffer.end - 1;
  }

  #applyOptions() {
    for (const button of $$("[data-log-toggle]", this.root)) button.setAttribute("aria-pressed", String(this.options[button.dataset.logToggle]));
    const first = this.list.firstInSight;
    this.list.wrap = this.options.wrap;
    this.view.classList.toggle("log-wrap", this.options.wrap);
    this.look += 1;
    this.list.rebuild(first);
    this.#showNone();
    try {
      const { times, wrap, matchCase, expression } = this.options;
      localStorage.setItem(STORE, JSON.stringify({ times, wrap, matchCase, expression }));
    } catch {
      // Without storage the choice holds for this page.
    }
  }

  #found(problem) {
    const { matches } = this;
    problem ??= matches.problem;
    if (matches.problem && this.problem !== matches.problem) {
      this.current = null;
      this.look += 1;
      this.list.rebuild(this.list.firstInSight);
    }
    this.problem = matches.problem;
    const count = matches.count;
    const words = [];
    if (matches.active) {
      if (this.current !== null && matches.query.text) words.push(`${(matches.indexFrom(this.current) + 1).toLocaleString("en")} of`);
      words.push(`${count.toLocaleString("en")}${matches.isFull || matches.left > 0 ? "+" : ""} line${count === 1 ? "" : "s"}`);
      if (matches.left > 0 && !matches.isFull) words.push(`· ${Math.round(100 * (1 - matches.left))} % searched`);
    }
    this.#told(problem ? problem.message : words.join(" "), Boolean(problem));
    for (const name of ["next", "previous"]) $(`[data-log-${name}]`, this.root).hidden = !matches.query?.text;
    if (this.filtering) this.list.moved(Infinity, 0);
    else this.list.schedule();
    this.#showNone();
    if (this.stepping && count) this.#step(this.stepping);
  }

  #told(text, isBad = false) {
    const found = $("[data-log-found]", this.root);
    setText(found, text);
    found.classList.toggle("log-problem", isBad);
  }

  /** To the next (1) or previous (-1) match, around at the ends; while none is found yet, as soon as one is. */
  async #step(by) {
    const { matches, store } = this;
    this.stepping = matches.count || matches.done ? 0 : by;
    if (!matches.count || !matches.query?.text || matches.problem) return;
    const from = this.current ?? this.#placeOf(by > 0 ? this.list.firstInSight : this.list.lastInSight);
    let at = matches.indexFrom(from);
    const isThere = at < matches.count && Object.entries(matches.at(at)).every(([name, value]) => from[name] === value);
    if (by > 0 ? isThere && this.current : !isThere || this.current) at += by;
    at = (at + matches.count) % matches.count;
    this.current = matches.at(at);
    this.list.hold();
    const { end, live } = this.current;
    const row = this.filtering ? at : end === undefined ? store.rowOfLive(live) : await store.outline.rowOf(end);
    if (row !== null) this.list.show(row);
    this.#found(null);
    this.list.schedule();
  }

  /** Of the line at a row of what is shown: {end} or {live}. */
  #placeOf(row) {
    const line = this.line(row);
    if (line?.live !== undefined) return { live: line.live };
    if (line?.end) return { end: line.end };
    const { outline } = this.store;
    return row < outline.count ? { end: outline.blocks[outline.blockOf(row)].from } : { live: this.store.buffer.end };
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {};
  }
}
