// Plays a recording (asciicast v2) on an xterm.js screen: play, pause, speed, and any moment of it.
import { Terminal } from "../../vendor/xterm/xterm.mjs";
import { CONTRAST, terminalTheme } from "./screen.js";
import { allowStyles } from "./styles.js";

/** What a recording's file says: {header, events: [[seconds, code, text]], seconds}. A torn last line is left out. */
export function parseCast(text) {
  const lines = text.split("\n");
  const header = JSON.parse(lines[0]);
  const events = [];
  for (const line of lines.slice(1)) {
    try {
      const event = JSON.parse(line);
      if (Array.isArray(event) && (event[1] === "o" || event[1] === "r")) events.push(event);
    } catch {
      // The end of one that was broken off.
    }
  }
  return { header, events, seconds: events.at(-1)?.[0] ?? 0 };
}

export class Player {
  /** `onTime(seconds)` while it plays and after each jump, `onState(isPlaying)`. `idle`: longer pauses are cut to it. */
  constructor(box, cast, { onTime, onState, idle = 3 }) {
    allowStyles();
    Object.assign(this, { cast, onTime, onState, speed: 1, at: 0, next: 0, timer: 0, isPlaying: false });
    this.events = shortened(cast.events, idle);
    this.seconds = this.events.at(-1)?.[0] ?? 0;
    const { width = 80, height = 24 } = cast.header;
    this.terminal = new Terminal({
      cols: width, rows: height, theme: terminalTheme(), minimumContrastRatio: CONTRAST, fontSize: 13, lineHeight: 1.2, disableStdin: true, scrollback: 1000,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"), cursorBlink: false,
    });
    this.terminal.open(box);
    this.terminal.textarea?.setAttribute("aria-label", "Recording");
    const recolour = () => (this.terminal.options.theme = terminalTheme());
    addEventListener("themechange", recolour);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  }

  play() {
    if (this.at >= this.seconds) this.seek(0);
    this.isPlaying = true;
    this.began = performance.now() - (this.at / this.speed) * 1000;
    this.onState(true);
    this.#tick();
  }

  pause() {
    this.isPlaying = false;
    cancelAnimationFrame(this.timer);
    this.onState(false);
  }

  setSpeed(speed) {
    this.speed = speed;
    this.began = performance.now() - (this.at / speed) * 1000;
  }

  /** Show how it looked after so many seconds. */
  seek(seconds) {
    if (seconds < this.at) {
      this.terminal.reset();
      this.terminal.resize(this.cast.header.width ?? 80, this.cast.header.height ?? 24);
      this.next = 0;
    }
    this.at = Math.min(Math.max(0, seconds), this.seconds);
    this.began = performance.now() - (this.at / this.speed) * 1000;
    this.#show();
    this.onTime(this.at);
  }

  #tick() {
    if (!this.isPlaying) return;
    this.at = Math.min(this.seconds, ((performance.now() - this.began) / 1000) * this.speed);
    this.#show();
    this.onTime(this.at);
    if (this.at >= this.seconds) return this.pause();
    this.timer = requestAnimationFrame(() => this.#tick());
  }

  #show() {
    for (; this.next < this.events.length && this.events[this.next][0] <= this.at; this.next += 1) {
      const [, code, text] = this.events[this.next];
      if (code === "o") this.terminal.write(text);
      else {
        const [columns, rows] = text.split("x").map(Number);
        if (columns > 0 && rows > 0 && columns <= 1000 && rows <= 1000) this.terminal.resize(columns, rows);
      }
    }
  }
}

/** The same events with no pause between them longer than `idle` seconds. */
function shortened(events, idle) {
  let cut = 0;
  let before = 0;
  return events.map(([at, code, text]) => {
    cut += Math.max(0, at - before - idle);
    before = at;
    return [at - cut, code, text];
  });
}
