// Which lines of the whole log have what is looked for: the host looks through what lies there, a part at a time, and
// says where the lines end; what came live is looked through here. The newest are found first.
import { plain } from "./ansi.js";
import { Expression, TOO_SLOW } from "./expression.js";
import { Finder, lowerBound } from "./find.js";
import { LEVELS, levelOf } from "./levels.js";

const MOST = 200_000;
const TEXTS_KEPT = 4000;
const TEXTS_AT_ONCE = 200;
const RETRY_MS = 3000;

export class Matches {
  /** `host`: search(query, from, to, backwards), at(ends). `onChange(problem)`: more is known, or why it isn't. */
  constructor(host, store, onChange) {
    Object.assign(this, { host, store, onChange });
    this.finder = new Finder(store.buffer, () => onChange(null));
    this.set(null);
  }

  /** `query`: {text, expression, matchCase, levels (names) or null, stream or null}; null ends the search. */
  set(query) {
    this.query = query;
    this.version = (this.version ?? 0) + 1;
    Object.assign(this, { ends: [], texts: new Map(), asked: new Set(), looked: 0, isFull: false, isScanning: false });
    Object.assign(this, { problem: null, marked: new Map(), unmarked: new Set() });
    this.pattern = query ? patternOf(query) : null;
    this.expression?.end();
    this.expression = this.pattern && query.expression ? new Expression(this.pattern, () => this.#refused({ message: TOO_SLOW })) : null;
    this.finder.set(query ? this.#test(query) : null, this.expression && ((lines) => this.expression?.test(lines.map(plain)) ?? null));
    this.ranges = [];
    if (query && this.store.liveFrom > 0 && !this.store.isCleared) this.ranges.push({ from: this.store.outline.from ?? 0, to: this.store.liveFrom, backwards: true });
    this.#scan();
  }

  get active() {
    return this.query !== null;
  }

  get count() {
    return this.ends.length + this.finder.lines.length;
  }

  get done() {
    return !this.active || (!this.ranges.length && this.finder.done && !this.isFull);
  }

  /** How much is still to be looked through, of 1. */
  get left() {
    const bytes = this.ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    return bytes + this.looked > 0 ? bytes / (bytes + this.looked) : 0;
  }

  /** What a match is: {end} of a line at the host, {live} of one that came live. */
  at(index) {
    return index < this.ends.length ? { end: this.ends[index] } : { live: this.finder.lines[index - this.ends.length] };
  }

  /** Where a line has what is looked for: [[from, to], …] of its plain text. None while that is asked: see isMarked. */
  marks(raw) {
    if (!this.pattern) return [];
    if (!this.expression) return [...plain(raw).matchAll(this.pattern)].map((hit) => [hit.index, hit.index + hit[0].length]);
    if (!this.marked.has(raw)) this.#mark(raw);
    return this.marked.get(raw) ?? [];
  }

  /** Whether it is known where a line has what is looked for. */
  isMarked(raw) {
    return !this.expression || Boolean(this.marked.get(raw));
  }

  /** The first match at or after a line {end} or {live}. */
  indexFrom({ end, live }) {
    return end !== undefined ? lowerBound(this.ends, end) : this.ends.length + this.finder.lowerBound(live);
  }

  /** The line of a match, null while it is not here. */
  line(index) {
    const { end, live } = this.at(index);
    if (end !== undefined) return this.texts.get(end) ?? null;
    const { buffer } = this.store;
    return live < buffer.first || live === undefined ? null : { text: buffer.text(live), at: buffer.time(live), stream: buffer.stream(live), live };
  }

  /** Fetch the lines of matches that come into sight. */
  async want(first, last) {
    const missing = this.ends.slice(first, last + 1).filter((end) => !this.texts.has(end) && !this.asked.has(end)).slice(0, TEXTS_AT_ONCE);
    if (!missing.length) return;
    const { version } = this;
    for (const end of missing) this.asked.add(end);
    try {
      const { lines } = await this.host.at(missing);
      if (version !== this.version) return;
      for (const [end, at, stream, text] of lines) this.texts.set(end, { end, at, stream: stream === "stderr" ? 1 : 0, text });
      for (const end of this.texts.keys()) if (this.texts.size > TEXTS_KEPT) this.texts.delete(end);
    } catch {
      await new Promise((done) => setTimeout(done, RETRY_MS));
    }
    for (const end of missing) this.asked.delete(end);
    if (version === this.version) this.onChange(null);
  }

  grown(changed) {
    this.finder.grown(changed);
  }

  dropped() {
    return this.finder.dropped();
  }

  /** What came live between these cursors lies at the host now. */
  handed(from, to) {
    this.finder.dropped();
    if (!this.active || this.problem || to <= from) return;
    this.ranges.unshift({ from, to, backwards: false });
    this.#scan();
  }

  /** An expression has the last word itself, elsewhere. */
  #test({ levels, stream, text, expression }) {
    const numbers = levels && new Set(levels.map((name) => LEVELS.indexOf(name)));
    // Unlike test() search() leaves the pattern's lastIndex alone, from where whoever marks the matches would go on.
    const has = !text ? () => true : expression ? () => this.pattern !== null : (line) => plain(line).search(this.pattern) !== -1;
    return (line, from) => (!stream || (from === 1) === (stream === "stderr")) && (!numbers || numbers.has(levelOf(line))) && has(line);
  }

  /** Lines that are drawn together are asked for together. */
  async #mark(raw) {
    const { expression, unmarked, version } = this;
    this.marked.set(raw, null);
    unmarked.add(raw);
    if (unmarked.size > 1) return;
    await null;
    const lines = [...unmarked];
    unmarked.clear();
    const marks = await expression.marks(lines.map(plain));
    if (!marks || version !== this.version) return;
    lines.forEach((line, index) => this.marked.set(line, marks[index]));
    for (const line of this.marked.keys()) if (this.marked.size > TEXTS_KEPT) this.marked.delete(line);
    this.onChange(null);
  }

  /** The search is over, for a reason that will not change by trying again: no line is marked or left out. */
  #refused(problem) {
    Object.assign(this, { problem, ranges: [], pattern: null });
    this.expression?.end();
    this.expression = null;
    this.finder.set(null);
    this.onChange(problem);
  }

  async #scan() {
    if (this.isScanning || !this.ranges.length) return;
    const { version } = this;
    this.isScanning = true;
    while (this.ranges.length && !this.isFull) {
      const range = this.ranges[0];
      try {
        const found = await this.host.search(this.query, range.from, range.to, range.backwards);
        if (version !== this.version || this.problem) return;
        this.#take(range, found);
        this.onChange(null);
      } catch (problem) {
        if (version !== this.version || this.problem) return;
        if (problem.status === 400) {
          this.#refused(problem);
          break;
        }
        this.onChange(problem);
        await new Promise((done) => setTimeout(done, RETRY_MS));
        if (version !== this.version) return;
      }
    }
    this.isScanning = false;
  }

  #take(range, found) {
    this.looked += found.to - found.from;
    const fresh = found.ends;
    this.ends = range.backwards ? fresh.concat(this.ends) : this.ends.concat(fresh);
    if (range.backwards) range.to = found.from;
    else range.from = found.to;
    if (found.complete || range.from >= range.to) this.ranges.splice(this.ranges.indexOf(range), 1);
    this.isFull = this.ends.length >= MOST;
  }
}

/** The expression that marks matches; null if the browser doesn't understand it. */
function patternOf({ text, expression, matchCase }) {
  if (!text) return null;
  try {
    return new RegExp(expression ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), matchCase ? "g" : "gi");
  } catch {
    return null;
  }
}
