// The terminal tab of a container's page: several terminals side by side, each a session of its own.
import { $, el, icon, setText } from "../dom.js";
import { reveal } from "../tabs.js";
import { LineInput } from "./line_input.js";
import { Screen } from "./screen.js";
import { Session } from "./session.js";

const STATE = { connecting: "Connecting", live: "Connected", waiting: "Connection lost, trying again", over: "Ended" };
// The best shell that the image has; exec keeps it the only process of the session.
const SHELL = ["/bin/sh", "-c", "if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi"];

const ATTACHED_LINES = 50;

export class TerminalPanel {
  constructor(root, containerId) {
    this.root = root;
    this.containerId = containerId;
    this.tabs = [];
    this.number = 0;
    this.form = $("[data-terminal-form]", root);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.open(this.#wish());
    });
    this.attach = $("[data-terminal-attach]", root);
    this.attach?.addEventListener("click", () => this.open({ name: "attached" }));
    $("[data-terminal-list]", root).addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Called when the tab is shown; the first time it opens a shell at once if the container runs. */
  show(isRunning) {
    if (!this.tabs.length && isRunning) this.open({ command: SHELL, name: "shell" });
    this.current?.screen.resize();
    this.current?.screen.focus();
  }

  setRunning(isRunning) {
    this.root.classList.toggle("terminal-off", !isRunning);
    for (const button of [$("[data-terminal-new]", this.root), this.attach]) if (button) button.disabled = !isRunning;
    this.#showNotes();
  }

  /** What stands where no terminal is. */
  #showNotes() {
    const isOff = this.root.classList.contains("terminal-off");
    $("[data-terminal-off]", this.root).hidden = !isOff || this.tabs.length > 0;
    $("[data-terminal-none]", this.root).hidden = isOff || this.tabs.length > 0;
  }

  /** A new process; without `command` the container's own, with the last lines that it said. */
  open({ command = null, name, user = null, record = this.records }) {
    const box = el("div", { class: "terminal-box" });
    const title = el("span", { class: "truncate" }, `${name} ${++this.number}`);
    const state = el("span", { class: "terminal-dot", "data-state": "connecting" });
    const button = el("button", { type: "button", role: "tab", class: "terminal-tab", onclick: () => this.#select(tab, true) }, state, title);
    const close = el("button", { type: "button", class: "button button-quiet button-icon terminal-close", "aria-label": `Close ${name} ${this.number}`, title: "Close", onclick: () => this.#close(tab) }, icon("close"));
    const tab = { box, button, close, state, holder: el("span", { class: "terminal-tab-holder" }, button, close) };
    this.tabs.push(tab);
    $("[data-terminal-list]", this.root).append(tab.holder);
    $("[data-terminal-screens]", this.root).append(box);
    this.#showNotes();
    this.#select(tab, false);
    const hasLines = !command && !("tty" in this.attach.dataset);
    tab.screen = new Screen(box, {
      hasLines,
      label: `Terminal ${this.number}`,
      onInput: (text) => this.#onInput(tab, text),
      onResize: (rows, columns) => tab.session?.resize(rows, columns),
    });
    tab.begin = () => {
      if (hasLines) tab.lines = new LineInput({ write: (text) => tab.screen.write(text), send: (text) => tab.session.send(text) });
      const more = { ...(record ? { record } : {}), ...tab.screen.size };
      if (command) this.#begin(tab, "exec", { command, tty: true, ...(user ? { user } : {}), ...more });
      else this.#begin(tab, "attach", { stdin: true, logs: ATTACHED_LINES, ...more });
    };
    tab.begin();
    tab.screen.focus();
  }

  #begin(tab, kind, request) {
    tab.isOver = false;
    tab.session = new Session(this.containerId, kind, request, {
      data: (bytes, done) => tab.screen.write(bytes, done),
      end: ({ exit_code: code }) => this.#ended(tab, `Ended with code ${code}.`),
      error: ({ message }) => this.#ended(tab, message),
      recorded: () => this.#recorded(tab),
      state: (state) => {
        tab.state.dataset.state = state;
        tab.button.title = STATE[state];
        if (tab === this.current) setText($("[data-terminal-state]", this.root), STATE[state]);
      },
    });
  }

  /** Whoever types has to know, before anything is typed. */
  #recorded(tab) {
    tab.holder.classList.add("terminal-recorded");
    tab.button.setAttribute("aria-label", `${tab.button.textContent}, recorded`);
    tab.screen.note("This session is recorded: what is shown here can be played back. What you type is not kept, unless it is shown.");
  }

  /** Whether new terminals are to be recorded; the team may want it of all. */
  get records() {
    return this.form.elements.record?.checked ?? false;
  }

  #ended(tab, text) {
    tab.isOver = true;
    const sentence = /[.!?]$/.test(text) ? text : `${text}.`;
    tab.screen.note(`${sentence} Press Enter for a new one.`);
  }

  #onInput(tab, text) {
    if (tab.isOver && text === "\r") tab.begin();
    else if (!tab.isOver && tab.lines) tab.lines.type(text);
    else if (!tab.isOver) tab.session.send(text);
  }

  #wish() {
    const words = new FormData(this.form);
    const line = String(words.get("command")).trim();
    const user = String(words.get("user")).trim();
    this.form.closest("details")?.removeAttribute("open");
    return line ? { command: ["/bin/sh", "-c", line], name: line.split(/\s/)[0], user } : { command: SHELL, name: "shell", user };
  }

  #select(tab, hasFocus) {
    this.current = tab;
    for (const other of this.tabs) {
      const isCurrent = other === tab;
      other.box.hidden = !isCurrent;
      other.button.setAttribute("aria-selected", String(isCurrent));
      other.button.tabIndex = isCurrent ? 0 : -1;
    }
    reveal($("[data-terminal-list]", this.root), tab.holder);
    setText($("[data-terminal-state]", this.root), STATE[tab.state.dataset.state]);
    tab.screen?.resize();
    if (hasFocus) tab.screen?.focus();
  }

  #close(tab) {
    tab.session.close();
    tab.screen.close();
    tab.holder.remove();
    tab.box.remove();
    const at = this.tabs.indexOf(tab);
    this.tabs.splice(at, 1);
    const next = this.tabs[Math.min(at, this.tabs.length - 1)];
    if (next) return this.#select(next, true);
    this.current = null;
    setText($("[data-terminal-state]", this.root), "");
    this.#showNotes();
    $("[data-terminal-summary]", this.root).focus(); // the button is in the menu, which is closed
  }

  #onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches("[role=tab]")) return;
    event.preventDefault();
    const at = this.tabs.findIndex((tab) => tab.button === event.target);
    const next = this.tabs[(at + step + this.tabs.length) % this.tabs.length];
    this.#select(next, false);
    next.button.focus();
  }
}
