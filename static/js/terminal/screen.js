// A terminal's screen: xterm.js in the colours of the page, as large as its box.
import { FitAddon } from "../../vendor/xterm/addon-fit.mjs";
import { Terminal } from "../../vendor/xterm/xterm.mjs";
import { colour } from "../theme.js";
import { toast } from "../toast.js";
import { allowStyles } from "./styles.js";

/** Programs choose a letter's colour for a ground of theirs, whatever both look like here: it is moved until it can be read. */
export const CONTRAST = 4.5;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** xterm.js in the colours of the page, as they are now. */
export function terminalTheme() {
  const found = {
    background: colour("--terminal"),
    foreground: colour("--ink"),
    cursor: colour("--accent"),
    cursorAccent: colour("--terminal"),
    selectionBackground: colour("--terminal-selection"),
  };
  COLOURS.forEach((name, number) => {
    found[name] = colour(`--ansi-${number}`);
    found[`bright${name[0].toUpperCase()}${name.slice(1)}`] = colour(`--ansi-${number + 8}`);
  });
  return found;
}

/** `onInput(text)`, `onResize(rows, columns)`; `hasLines`: what comes is no terminal's, lines end with \n alone. */
export class Screen {
  constructor(box, { onInput, onResize, label, hasLines = false }) {
    allowStyles();
    this.terminal = new Terminal({
      theme: terminalTheme(),
      minimumContrastRatio: CONTRAST,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
      fontSize: 13,
      lineHeight: 1.2,
      scrollback: 10_000,
      convertEol: hasLines,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      screenReaderMode: false,
      macOptionIsMeta: true,
    });
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    this.terminal.open(box);
    this.terminal.textarea?.setAttribute("aria-label", label);
    this.terminal.textarea?.setAttribute("aria-describedby", "terminal-keys");
    this.terminal.onData(onInput);
    this.terminal.onResize(({ rows, cols }) => onResize(rows, cols));
    this.terminal.attachCustomKeyEventHandler((event) => this.#isForTerminal(event));
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(box);
    this.onTheme = () => (this.terminal.options.theme = terminalTheme());
    addEventListener("themechange", this.onTheme);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", this.onTheme);
    this.resize();
  }

  get size() {
    return { rows: this.terminal.rows, columns: this.terminal.cols };
  }

  write(bytes, done) {
    this.terminal.write(bytes, done);
  }

  /** A line from Portside, not from the container. */
  note(text) {
    this.terminal.write(`\r\n\x1b[2m${text.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, " ")}\x1b[0m\r\n`);
  }

  resize() {
    if (this.terminal.element?.offsetParent) this.fit.fit();
  }

  focus() {
    this.terminal.focus();
  }

  /** What is selected, which is no more afterwards: the next Ctrl+C interrupts. */
  #copy() {
    const text = this.terminal.getSelection();
    // Without HTTPS browsers give no clipboard, but their own command still asks xterm.js what to copy.
    if (navigator.clipboard) navigator.clipboard.writeText(text).catch(() => toast("Not copied: let this site use the clipboard in your browser's settings."));
    else document.execCommand("copy");
    this.terminal.clearSelection();
  }

  close() {
    this.watcher.disconnect();
    removeEventListener("themechange", this.onTheme);
    this.dark.removeEventListener("change", this.onTheme);
    this.terminal.dispose();
  }

  /**
   * Ctrl+Shift+C and V copy and paste, as terminals on Linux do; Ctrl+C copies too while something is selected, and
   * interrupts else. Shift+Escape leaves for who has no mouse.
   */
  #isForTerminal(event) {
    if (event.type !== "keydown") return true;
    if (event.ctrlKey && !event.altKey && event.code === "KeyC" && (event.shiftKey || this.terminal.hasSelection())) {
      if (this.terminal.hasSelection()) this.#copy();
      event.preventDefault();
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.code === "KeyV") return false; // the browser pastes
    if (event.shiftKey && event.key === "Escape") {
      this.terminal.blur();
      this.terminal.element.closest("[role=tabpanel]")?.focus();
      return false;
    }
    return true;
  }
}
