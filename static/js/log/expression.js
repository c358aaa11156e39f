// A regular expression that somebody typed. Some take ages over one line (repeats inside repeats), and nothing but the end
// of its thread stops one: so it never runs in the page's own thread, and has so long for what it is given at once.

const TICK_MS = 100;
const TICKS = 20;
/** As the host says it of an expression that is too slow there: engine/logs/clerk.py. */
export const TOO_SLOW = "the expression takes too long with these lines: give a simpler expression, without repeats inside repeats";

export class Expression {
  /** `onTooSlow()` is called once, after which nothing is answered any more. */
  constructor(pattern, onTooSlow) {
    Object.assign(this, { pattern, onTooSlow, waiting: [], asked: null, worker: null, isReady: false, clock: 0 });
  }

  /** For each text whether it matches; null when nobody knows: it was ended. */
  test(texts) {
    return this.#ask(texts, false);
  }

  /** For each text where it matches: [[from, to], …]; null as above. */
  marks(texts) {
    return this.#ask(texts, true);
  }

  end() {
    this.worker?.terminate();
    clearInterval(this.clock);
    const open = [this.asked, ...this.waiting];
    Object.assign(this, { worker: null, asked: null, waiting: [], isEnded: true });
    for (const one of open) one?.answer(null);
  }

  #ask(texts, marks) {
    if (this.isEnded) return Promise.resolve(null);
    if (!this.worker) this.#start();
    return new Promise((answer) => {
      this.waiting.push({ texts, marks, answer });
      this.#next();
    });
  }

  #start() {
    this.worker = new Worker(new URL("./expression_worker.js", import.meta.url));
    // It ran out of its stack; or it could not even be loaded: then nothing is marked, and what came live is not found.
    this.worker.onerror = () => this.#fail(this.isReady);
    this.worker.onmessage = ({ data }) => {
      if (data === "ready") this.isReady = true;
      else if (this.asked) {
        clearInterval(this.clock);
        const { answer } = this.asked;
        this.asked = null;
        answer(data);
      }
      this.#next();
    };
  }

  #next() {
    if (!this.isReady || this.asked || !this.waiting.length) return;
    this.asked = this.waiting.shift();
    const { texts, marks } = this.asked;
    this.worker.postMessage({ source: this.pattern.source, flags: this.pattern.flags, texts, marks });
    // Ticks and not one long wait: a page that was itself held up, or asleep, has not waited for the expression.
    let ticks = 0;
    this.clock = setInterval(() => {
      ticks += 1;
      if (ticks >= TICKS) this.#fail(true);
    }, TICK_MS);
  }

  #fail(isTooMuch) {
    if (this.isEnded) return;
    this.end();
    if (isTooMuch) this.onTooSlow();
  }
}
