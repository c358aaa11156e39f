// Which lines have what is searched for. The scan goes in slices of a few milliseconds, so that a search through
// 300,000 lines never holds up a frame.
import { plain } from "./ansi.js";

const SLICE_MS = 6;
const LOOK_AT_CLOCK = 256;

export class Finder {
  /** `onProgress()` is called after each slice that found something and at the end. */
  constructor(buffer, onProgress) {
    this.buffer = buffer;
    this.onProgress = onProgress;
    this.timer = 0;
    this.set("");
  }

  /** Search for `text` as it stands, upper and lower case alike; "" ends the search. */
  set(text) {
    this.text = text;
    this.pattern = text ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi") : null;
    this.lines = [];
    this.next = this.buffer.first;
    this.#later();
  }

  get active() {
    return this.pattern !== null;
  }

  get done() {
    return !this.active || this.next >= this.buffer.end;
  }

  /** New lines are there, and `changed` (an open line) may have grown. */
  grown(changed) {
    if (!this.active) return;
    if (changed < this.next && changed >= this.buffer.first && this.#matches(changed)) this.#insert(changed);
    this.#later();
  }

  dropped() {
    this.next = Math.max(this.next, this.buffer.first);
    const gone = this.lowerBound(this.buffer.first);
    this.lines.splice(0, gone);
    return gone;
  }

  /** Where in `lines` the first line ≥ `line` is. */
  lowerBound(line) {
    let low = 0;
    let high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle] < line) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(line) {
    const at = this.lowerBound(line);
    if (this.lines[at] !== line) this.lines.splice(at, 0, line);
  }

  #matches(line) {
    // Unlike test() this leaves the pattern's lastIndex alone, from where whoever marks the matches would go on.
    return plain(this.buffer.text(line)).search(this.pattern) !== -1;
  }

  #later() {
    if (!this.timer && this.active) this.timer = setTimeout(() => this.#slice(), 0);
  }

  #slice() {
    this.timer = 0;
    if (!this.active) return;
    const until = performance.now() + SLICE_MS;
    let looked = 0;
    while (this.next < this.buffer.end) {
      if (this.#matches(this.next)) this.lines.push(this.next);
      this.next += 1;
      looked += 1;
      if (looked % LOOK_AT_CLOCK === 0 && performance.now() > until) break;
    }
    this.onProgress();
    if (!this.done) this.#later();
  }
}
