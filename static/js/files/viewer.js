// One file: text to be read and edited, a picture, or what its first bytes are. Nothing of it runs: text is text in a
// field, a picture is an <img>, and all else stays bytes.
import { Problem } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, el, icon, setText } from "../dom.js";
import { size } from "../format.js";
import { openEditor } from "./editor.js";
import { modeText, pathOf, visible } from "./source.js";

const TEXT_BYTES = 2 << 20;
const HEX_BYTES = 4096;
const PICTURES = /\.(png|jpe?g|gif|webp|avif|bmp|ico|svg)$/i;

export class Viewer {
  #entry = null;
  #path = "";
  #etag = null;
  #editor = null;
  #saved = "";
  #latest = 0;

  constructor(dialog, files, { mayWrite, onSaved }) {
    this.dialog = dialog;
    this.files = files;
    this.mayWrite = mayWrite;
    this.onSaved = onSaved;
    this.body = $("[data-file-body]", dialog);
    this.save = $("[data-file-save]", dialog);
    this.save.addEventListener("click", () => this.#save());
    $("[data-file-close]", dialog).addEventListener("click", () => this.close());
    $("[data-file-theirs]", dialog).addEventListener("click", () => this.#load());
    $("[data-file-mine]", dialog).addEventListener("click", () => this.#save({ anyhow: true }));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.close();
    });
    dialog.addEventListener("click", (event) => {
      if (event.target !== dialog) return;
      event.stopPropagation(); // a click beside it would close it without a question
      this.close();
    });
    dialog.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
        event.preventDefault();
        this.#save();
      }
    });
    addEventListener("beforeunload", (event) => this.isChanged && event.preventDefault());
  }

  get isChanged() {
    return this.dialog.open && this.#editor !== null && this.mayWrite && this.#editor.value() !== this.#saved;
  }

  open(entry) {
    this.#entry = entry;
    this.#path = pathOf(entry);
    setText($("#file-title"), visible(entry.name));
    this.#facts(entry);
    $("[data-file-download]", this.dialog).href = this.files.content(this.#path);
    this.dialog.showModal();
    return this.#load();
  }

  async close() {
    if (this.isChanged) {
      const answer = await confirmAction({ title: "Leave without saving?", text: `What you have changed in ${visible(this.#entry.name)} is lost.`, yes: "Leave" });
      if (!answer) return;
    }
    this.#editor = null;
    this.#latest += 1;
    this.dialog.close();
    this.body.replaceChildren();
  }

  #facts(entry) {
    const what = entry.target === null ? size(entry.size_bytes) : `→ ${visible(entry.target)}`;
    setText($("[data-file-facts]", this.dialog), `${what} · ${modeText(entry.mode)} · ${entry.uid}:${entry.gid} · ${new Date(entry.modified_at).toLocaleString()}`);
  }

  async #load() {
    const mine = ++this.#latest;
    this.#editor = null;
    this.#offer(false);
    this.save.hidden = true;
    if (PICTURES.test(this.#entry.name)) return this.#picture();
    this.#say("Reading …");
    this.body.replaceChildren();
    try {
      const found = await this.files.read(this.#path, TEXT_BYTES);
      if (mine === this.#latest) await this.#show(found, mine);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === this.#latest) this.#empty(problem.message);
    }
    return undefined;
  }

  async #show({ bytes, size: whole, etag }, mine) {
    this.#etag = etag;
    this.#say("");
    const isWhole = bytes.length >= whole;
    const text = textOf(bytes, isWhole);
    if (text === null) return this.#bytes(bytes);
    const isReadOnly = !this.mayWrite || !isWhole;
    const editor = await openEditor(this.body, { text, isReadOnly, name: this.#entry.name, label: `Content of ${visible(this.#entry.name)}`, onChange: () => this.#changed() });
    if (mine !== this.#latest) return undefined;
    this.#editor = editor;
    this.#saved = editor.value();
    this.save.hidden = isReadOnly;
    this.#changed();
    if (!isWhole) this.#say(`The first ${size(bytes.length)} of ${size(whole)}: too long to be edited here`);
    this.#editor.focus();
    return undefined;
  }

  #changed() {
    this.save.disabled = !this.isChanged;
    if (!this.save.hidden) this.#say(this.isChanged ? "Changed" : "");
  }

  #picture() {
    const picture = el("img", { src: this.files.content(this.#path), alt: visible(this.#entry.name), class: "file-picture" });
    picture.addEventListener("load", () => this.#say(picture.naturalWidth ? `${picture.naturalWidth} × ${picture.naturalHeight}` : ""));
    picture.addEventListener("error", () => this.#empty("It can't be shown as a picture. Download it to look at it."));
    this.body.replaceChildren(el("div", { class: "file-picture-place" }, picture));
  }

  #bytes(bytes) {
    const lines = [];
    for (let at = 0; at < Math.min(bytes.length, HEX_BYTES); at += 16) {
      const row = [...bytes.slice(at, at + 16)];
      const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
      lines.push(`${at.toString(16).padStart(8, "0")}  ${hex}  ${row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("")}`);
    }
    this.body.replaceChildren(el("pre", { class: "file-hex", tabindex: "0", "aria-label": "Its first bytes" }, lines.join("\n")));
    this.#say("No text: its first bytes");
  }

  #empty(text) {
    this.#say("");
    this.body.replaceChildren(el("div", { class: "empty" }, icon("file"), el("p", {}, text)));
  }

  async #save({ anyhow = false } = {}) {
    if (this.save.hidden || this.save.getAttribute("aria-busy") === "true" || (!this.isChanged && !anyhow)) return;
    const text = this.#editor.value();
    this.save.setAttribute("aria-busy", "true");
    try {
      const entry = await this.files.write(this.#path, new Blob([text]), anyhow ? {} : { etag: this.#etag });
      this.#etag = entry.etag;
      this.#saved = text;
      this.#offer(false);
      this.#facts(entry);
      this.#changed();
      this.#say("Saved");
      this.onSaved(entry);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 412) this.#offer(true, problem.message);
      else this.#offer(false, problem.message);
    } finally {
      this.save.removeAttribute("aria-busy");
    }
  }

  /** Somebody else has written it: whose text shall it be? Or only what went wrong. */
  #offer(isConflict, text = "") {
    const notice = $("[data-file-notice]", this.dialog);
    notice.hidden = !text;
    setText($("[data-file-notice-text]", notice), text);
    for (const button of [$("[data-file-theirs]", notice), $("[data-file-mine]", notice)]) button.hidden = !isConflict;
  }

  #say(text) {
    setText($("[data-file-state]", this.dialog), text);
  }
}

/** UTF-8 as text, null for what is none; the last character may be cut where the bytes are only a part. */
function textOf(bytes, isWhole) {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: !isWhole });
  } catch {
    return null;
  }
}
