// The part of a log that lies on its host: how many lines each of its blocks has, and the lines of those blocks that
// were looked at lately. A row is found by its number, a block's lines are fetched when its rows come into sight.

const KEPT_BLOCKS = 48;
const AT_ONCE = 2;

export class Outline {
  /**
   * `fetchLines(from, to)` answers {start, lines: [[end, at, stream, text]]}. `onLoaded()`: rows can be drawn now;
   * `onMoved(row, count)`: `count` rows more (or fewer) lie before `row`.
   */
  constructor(fetchLines, { onLoaded, onMoved }) {
    Object.assign(this, { fetchLines, onLoaded, onMoved });
    this.clear();
  }

  clear() {
    this.blocks = [];
    this.tops = [0];
    this.wanted = [];
    this.running = 0;
    this.recent = [];
    this.version = (this.version ?? 0) + 1;
  }

  /** How many rows there are. */
  get count() {
    return this.tops[this.tops.length - 1];
  }

  get from() {
    return this.blocks[0]?.from ?? null;
  }

  get to() {
    return this.blocks.at(-1)?.to ?? null;
  }

  /** Put blocks {from, to, lines, rows?} where their cursors belong; they overlap none. */
  insert(blocks) {
    const fresh = blocks.filter((block) => block.lines > 0 || block.to > block.from);
    if (!fresh.length) return;
    const at = this.#after(fresh[0].from);
    const row = this.tops[at];
    this.blocks.splice(at, 0, ...fresh);
    this.#measure(at);
    this.onMoved(row, fresh.reduce((sum, block) => sum + block.lines, 0));
  }

  /** Forget what lies before the cursor `start`: it was rotated away. */
  dropBefore(start) {
    let count = 0;
    while (count < this.blocks.length && this.blocks[count].to <= start) count += 1;
    if (!count) return;
    const rows = this.tops[count];
    this.blocks.splice(0, count);
    this.#measure(0);
    this.onMoved(0, -rows);
  }

  /** The block number of a row. */
  blockOf(row) {
    let low = 0;
    let high = this.blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tops[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The line at `row`, or null while it is not here. */
  line(row) {
    const number = this.blockOf(row);
    return this.blocks[number]?.rows?.[row - this.tops[number]] ?? null;
  }

  key(row) {
    const number = this.blockOf(row);
    return `${this.blocks[number].from}:${row - this.tops[number]}`;
  }

  /** Fetch what is missing of the rows from `first` to `last`; earlier wishes that are not served yet are dropped. */
  want(first, last) {
    if (!this.blocks.length) return;
    const missing = [];
    for (let number = this.blockOf(first), to = this.blockOf(Math.min(last, this.count - 1)); number <= to; number += 1) {
      const block = this.blocks[number];
      if (!block.rows && !block.asked && block.lines) missing.push(block);
    }
    this.wanted = missing;
    this.#serve();
  }

  /** The row of the line that ends at `end`; fetches its block. Answers null when it is gone. */
  async rowOf(end) {
    const find = () => this.blocks.findIndex((block) => block.from < end && end <= block.to);
    let number = find();
    if (number < 0) return null;
    if (!this.blocks[number].rows?.[0]?.end) await this.#load(this.blocks[number]);
    number = find();
    const index = number < 0 ? -1 : (this.blocks[number].rows?.findIndex((line) => line.end >= end) ?? -1);
    return index < 0 ? null : this.tops[number] + index;
  }

  /** Remember the lines of a block, and forget those of the one that was used longest ago. */
  keep(block) {
    this.recent.push(block);
    while (this.recent.length > KEPT_BLOCKS) {
      const oldest = this.recent.shift();
      if (!this.recent.includes(oldest)) oldest.rows = null;
    }
  }

  #after(cursor) {
    const at = this.blocks.findIndex((block) => block.from >= cursor);
    return at < 0 ? this.blocks.length : at;
  }

  #measure(from) {
    this.tops.length = from + 1;
    for (let number = from; number < this.blocks.length; number += 1) this.tops.push(this.tops[number] + this.blocks[number].lines);
  }

  #serve() {
    while (this.running < AT_ONCE && this.wanted.length) this.#load(this.wanted.shift());
  }

  async #load(block) {
    const { version } = this;
    block.asked = true;
    this.running += 1;
    try {
      const answer = await this.fetchLines(block.from, block.to);
      if (version === this.version) this.#take(block, answer);
    } catch {
      await new Promise((done) => setTimeout(done, 1000)); // asked again when it is wanted again
    } finally {
      if (version === this.version) {
        block.asked = false;
        this.running -= 1;
        this.#serve();
      }
    }
  }

  #take(block, { start, lines }) {
    block.rows = lines.map(([end, at, stream, text]) => ({ end, at, stream: stream === "stderr" ? 1 : 0, text }));
    const number = this.blocks.indexOf(block);
    if (number >= 0 && block.rows.length !== block.lines) {
      const more = block.rows.length - block.lines;
      block.lines = block.rows.length;
      this.#measure(number);
      this.onMoved(this.tops[number + 1] - more, more);
    }
    this.keep(block);
    if (start > (this.from ?? start)) this.dropBefore(start);
    this.onLoaded();
  }
}
