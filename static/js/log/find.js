// Which of the lines that came live are wanted. The scan goes in slices of a few milliseconds, so that a search through
// many lines never holds up a frame. What may take long with a single line is asked elsewhere, some lines at a time.

const SLICE_MS = 6;
const LOOK_AT_CLOCK = 256;
const ASKED_AT_ONCE = 500;
const LETTERS_AT_ONCE = 1 << 18;

export class Finder {
  /** `onProgress()` is called after each slice. */
  constructor(buffer, onProgress) {
    Object.assign(this, { buffer, onProgress, timer: 0 });
    this.set(null);
  }

  /**
   * `test(text, stream)` says whether a line is wanted; null ends the search. With `ask`, which promises an answer for
   * each of some texts (or null: there is none any more), it has the last word on those that pass the test.
   */
  set(test, ask = null) {
    Object.assign(this, { test, ask, lines: [], grownLines: new Set(), asking: false, version: (this.version ?? 0) + 1 });
    this.next = this.buffer.first;
    this.#later();
  }

  get done() {
    return !this.test || (this.next >= this.buffer.end && !this.asking && !this.grownLines.size);
  }

  /** New lines are there, and `changed` (an open line) may have grown. */
  grown(changed) {
    if (!this.test) return;
    if (changed !== null && changed < this.next && changed >= this.buffer.first && this.#matches(changed)) {
      if (this.ask) this.grownLines.add(changed);
      else this.#insert(changed);
    }
    this.#later();
  }

  /** The buffer's oldest lines are gone. */
  dropped() {
    this.next = Math.max(this.next, this.buffer.first);
    const gone = this.lowerBound(this.buffer.first);
    this.lines.splice(0, gone);
    return gone;
  }

  /** Where in `lines` the first line ≥ `line` is. */
  lowerBound(line) {
    return lowerBound(this.lines, line);
  }

  #insert(line) {
    const at = this.lowerBound(line);
    if (this.lines[at] !== line) this.lines.splice(at, 0, line);
  }

  #matches(line) {
    return this.test(this.buffer.text(line), this.buffer.stream(line));
  }

  #later() {
    if (!this.timer && this.test && !this.asking) this.timer = setTimeout(() => (this.ask ? this.#askSlice() : this.#slice()), 0);
  }

  #slice() {
    this.timer = 0;
    if (!this.test) return;
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

  async #askSlice() {
    this.timer = 0;
    if (!this.test) return;
    const { buffer, version } = this;
    const lines = [...this.grownLines].filter((line) => line >= buffer.first);
    this.grownLines.clear();
    let letters = 0;
    const until = performance.now() + SLICE_MS;
    while (this.next < buffer.end && lines.length < ASKED_AT_ONCE && letters < LETTERS_AT_ONCE) {
      if (this.#matches(this.next)) {
        lines.push(this.next);
        letters += buffer.text(this.next).length;
      }
      this.next += 1;
      if (this.next % LOOK_AT_CLOCK === 0 && performance.now() > until) break;
    }
    if (lines.length) {
      this.asking = true;
      const answers = await this.ask(lines.map((line) => buffer.text(line)));
      if (version !== this.version) return;
      this.asking = false;
      lines.forEach((line, index) => answers?.[index] && line >= buffer.first && this.#insert(line));
    }
    this.onProgress();
    if (!this.done) this.#later();
  }
}

/** Where in the ascending `numbers` the first one ≥ `number` is. */
export function lowerBound(numbers, number) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
