// The lines that the page holds, put together from chunks of two streams.
//
// A chunk ends anywhere. The rest of a line stays open for its stream alone, so that stdout and stderr may
// interleave without tearing each other's lines. Lines have absolute numbers that never change; the oldest
// are dropped in blocks once there are too many (the whole log stays on the host).

export const STDOUT = 0;
export const STDERR = 1;
const LONGEST = 16384;
const NONE = -1;

export class LineBuffer {
  constructor(most = 300000) {
    this.most = most;
    this.clear();
  }

  clear() {
    this.first = 0;
    this.texts = [];
    this.times = [];
    this.streams = [];
    this.open = [NONE, NONE];
  }

  get length() {
    return this.texts.length;
  }

  /** One past the last absolute number. */
  get end() {
    return this.first + this.texts.length;
  }

  text(line) {
    return this.texts[line - this.first];
  }

  time(line) {
    return this.times[line - this.first];
  }

  stream(line) {
    return this.streams[line - this.first];
  }

  /** Add {stream, at, text}. Answers the lowest line that changed (an open one that grew), or `end` as it was. */
  add(chunk) {
    const stream = chunk.stream === "stderr" ? STDERR : STDOUT;
    const pieces = chunk.text.split("\n");
    let lowest = this.end;
    for (let index = 0; index < pieces.length; index += 1) {
      const isLast = index === pieces.length - 1;
      if (isLast && pieces[index] === "") break;
      const line = this.#extend(stream, chunk.at, pieces[index]);
      if (line < lowest) lowest = line;
      if (!isLast) this.open[stream] = NONE;
    }
    return lowest;
  }

  #extend(stream, at, text) {
    let line = this.open[stream];
    let rest = text;
    if (line !== NONE && line >= this.first) {
      const here = this.texts[line - this.first] + rest;
      this.texts[line - this.first] = here.slice(0, LONGEST);
      rest = here.slice(LONGEST);
      if (rest === "") return line;
    }
    const lowest = line === NONE || line < this.first ? this.end : line;
    do {
      line = this.end;
      this.texts.push(rest.slice(0, LONGEST));
      this.times.push(at);
      this.streams.push(stream);
      rest = rest.slice(LONGEST);
    } while (rest !== "");
    this.open[stream] = line;
    return lowest;
  }

  /** Drop the lines before the absolute number `line`. */
  forget(line) {
    const count = line - this.first;
    this.texts.splice(0, count);
    this.times.splice(0, count);
    this.streams.splice(0, count);
    this.first += count;
  }

  /** Drop the oldest tenth when there are too many. Answers how many lines went. */
  trim() {
    if (this.length <= this.most) return 0;
    const count = this.length - Math.floor(this.most * 0.9);
    this.forget(this.first + count);
    return count;
  }
}
