// All lines of a log as rows: first those that lie on its host (outline.js), then those that came live (buffer.js).
//
// A page begins with the last lines. The outline of what was before comes after them. When too many lines have come
// live, the oldest become blocks of the outline, whose lines are fetched if anybody looks; and where the host left
// lines out for a page that fell behind, their outline is fetched and put in between.
import { LineBuffer } from "./buffer.js";
import { Outline } from "./outline.js";

const LIVE_LINES = 20_000;
const MARK_LINES = 500;

export class LogStore {
  /**
   * `host`: outline(from, to), lines(from, to). `on`: grown(row or null), moved(row, count), dropped(count), loaded(),
   * handed(from, to): the live lines between these cursors are the outline's now; reset().
   */
  constructor(host, on) {
    Object.assign(this, { host, on });
    this.buffer = new LineBuffer();
    this.outline = new Outline((from, to) => host.lines(from, to), { onLoaded: on.loaded, onMoved: on.moved });
    this.cursor = null;
    this.liveFrom = null;
    this.marks = [];
  }

  get count() {
    return this.outline.count + this.buffer.length;
  }

  /** {text, at, stream, end?} of a row, or null while it is not here. */
  line(row) {
    const live = row - this.outline.count;
    if (live < 0) return this.outline.line(row);
    const line = this.buffer.first + live;
    return { text: this.buffer.text(line), at: this.buffer.time(line), stream: this.buffer.stream(line), live: line };
  }

  key(row) {
    const live = row - this.outline.count;
    return live < 0 ? this.outline.key(row) : `live:${this.buffer.first + live}`;
  }

  /** The row of a line that came live. */
  rowOfLive(line) {
    return this.outline.count + line - this.buffer.first;
  }

  /** A message of the socket. Answers how many lines it brought. */
  add(message) {
    if (this.cursor !== null && message.cursor <= this.cursor) return 0;
    const from = message.from ?? this.cursor ?? 0;
    if (this.cursor === null) this.#begin(from);
    else if (from > this.cursor) this.#skip(this.cursor, from);
    this.cursor = message.cursor;
    const before = this.buffer.end;
    let lowest = before;
    for (const chunk of message.chunks) lowest = Math.min(lowest, this.buffer.add(chunk));
    this.#mark();
    this.#handOver();
    this.on.grown(lowest < this.buffer.first ? null : lowest, before);
    return this.buffer.end - before;
  }

  /** Show nothing but what comes from now on. */
  clear() {
    this.buffer.first = this.buffer.end;
    Object.assign(this.buffer, { texts: [], times: [], streams: [] });
    this.outline.clear();
    this.marks = [];
    this.liveFrom = this.cursor;
    this.isCleared = true;
    this.on.reset();
  }

  #begin(from) {
    this.liveFrom = from;
    this.marks = [{ cursor: from, line: this.buffer.end }];
    if (from > 0) this.#fetchOutline(0, from);
  }

  /** Lines between these cursors will not come live. */
  #skip(from, to) {
    this.buffer.open = [-1, -1];
    this.#hand({ cursor: from, line: this.buffer.end });
    this.marks = [{ cursor: to, line: this.buffer.end }];
    this.liveFrom = to;
    this.on.handed(from, to);
    this.#fetchOutline(from, to);
  }

  async #fetchOutline(from, to) {
    const version = this.outline.version;
    try {
      const answer = await this.host.outline(from, to);
      if (version !== this.outline.version) return;
      const { blocks } = answer;
      this.outline.insert(blocks.map(([cursor, lines], number) => ({ from: cursor, to: blocks[number + 1]?.[0] ?? answer.to, lines })));
    } catch {
      setTimeout(() => version === this.outline.version && this.#fetchOutline(from, to), 3000);
    }
  }

  /** Note the places between messages where no line is open: there the live lines can be cut. */
  #mark() {
    const last = this.marks.at(-1);
    if (this.buffer.open.every((line) => line < 0) && this.buffer.end - (last?.line ?? 0) >= MARK_LINES) {
      this.marks.push({ cursor: this.cursor, line: this.buffer.end });
    }
  }

  #handOver() {
    if (this.buffer.length > LIVE_LINES) {
      const mark = this.marks.findLast(({ line }) => line <= this.buffer.end - LIVE_LINES / 2);
      if (mark && mark.line > this.buffer.first) this.#hand(mark);
    }
    const dropped = this.buffer.trim();
    if (dropped) {
      this.marks = this.marks.filter(({ line }) => line >= this.buffer.first);
      this.on.dropped(dropped);
    }
  }

  /** Make blocks of the live lines up to a mark. No row moves. */
  #hand(mark) {
    const borders = [...this.marks.filter(({ line }) => line < mark.line), mark];
    const blocks = [];
    for (let index = 0; index + 1 < borders.length; index += 1) {
      const [begin, end] = [borders[index], borders[index + 1]];
      if (begin.line < this.buffer.first) continue;
      const rows = [];
      for (let line = begin.line; line < end.line; line += 1) rows.push({ text: this.buffer.text(line), at: this.buffer.time(line), stream: this.buffer.stream(line), end: null });
      blocks.push({ from: begin.cursor, to: end.cursor, lines: rows.length, rows });
    }
    const from = borders[0].cursor;
    this.isHanding = true;
    this.outline.insert(blocks);
    this.isHanding = false;
    for (const block of blocks) this.outline.keep(block); // all but the last ones are fetched again if anybody looks
    this.buffer.forget(mark.line);
    this.marks = this.marks.filter(({ line }) => line >= mark.line);
    if (!this.marks.length) this.marks = [mark];
    this.liveFrom = mark.cursor;
    this.on.handed(from, mark.cursor);
  }
}
