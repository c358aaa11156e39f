// Images out of a file: chosen or dropped, sent with progress, broken off at any moment.
import { $, setText } from "../dom.js";
import { size } from "../format.js";
import { toast } from "../toast.js";
import { clearProblems, showProblems } from "./form.js";

export function startLoad() {
  const dialog = $("#load-dialog");
  if (dialog) new Loading(dialog);
}

class Loading {
  #file = null;
  #request = null;

  constructor(dialog) {
    this.dialog = dialog;
    this.form = $("form", dialog);
    this.drop = $("[data-drop]", dialog);
    $("#load-file").addEventListener("change", (event) => this.#choose(event.target.files[0]));
    for (const radio of this.form.elements.what) radio.addEventListener("change", () => this.#switch());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#request) this.#send();
    });
    $("[data-load-cancel]", dialog).addEventListener("click", () => (this.#request ? this.#request.abort() : dialog.close()));
    dialog.addEventListener("close", () => this.#request?.abort());
    this.#startDrops();
  }

  /** A file may be dropped anywhere on the page: it opens the dialog with it. */
  #startDrops() {
    const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (!this.dialog.open && !document.querySelector("dialog[open]")) this.dialog.showModal();
      this.drop.dataset.over = "";
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) delete this.drop.dataset.over;
    });
    addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      delete this.drop.dataset.over;
      if (this.dialog.open) this.#choose(event.dataTransfer.files[0]);
    });
  }

  #choose(file) {
    if (!file || this.#request) return;
    this.#file = file;
    clearProblems(this.form);
    setText($("[data-load-name]", this.dialog), `${file.name}, ${size(file.size)}`);
  }

  #switch() {
    const isImport = this.form.elements.what.value === "import";
    $("[data-import]", this.dialog).hidden = !isImport;
    if (isImport) this.form.elements.reference.focus();
  }

  #send() {
    clearProblems(this.form);
    if (!this.#file) return showProblems(this.form, { "": ["Choose a file first."] });
    const { what, host, reference } = this.form.elements;
    const query = new URLSearchParams();
    if (host) query.set("host", host.value);
    if (what.value === "import" && reference.value.trim()) query.set("reference", reference.value.trim());
    const request = new XMLHttpRequest(); // fetch can't tell how far an upload is
    request.open("POST", `/api/v1/images/${what.value}/?${query}`);
    request.setRequestHeader("X-CSRFToken", $('meta[name="csrf-token"]')?.content ?? "");
    request.setRequestHeader("Content-Type", "application/x-tar");
    request.upload.addEventListener("progress", ({ loaded, total }) => this.#show(loaded, total));
    request.addEventListener("loadend", () => this.#end(request));
    this.#request = request;
    $("[data-load-send]", this.dialog).setAttribute("aria-busy", "true");
    $("[data-load-progress]", this.dialog).hidden = false;
    this.#show(0, this.#file.size);
    request.send(this.#file);
  }

  #show(loaded, total) {
    const bar = $("progress", this.dialog);
    bar.max = total || 1;
    bar.value = loaded;
    const note = loaded < total ? `${size(loaded)} of ${size(total)} sent` : "All sent. The host unpacks and checks it.";
    setText($("[data-load-note]", this.dialog), note);
  }

  #end(request) {
    this.#request = null;
    $("[data-load-send]", this.dialog).removeAttribute("aria-busy");
    $("[data-load-progress]", this.dialog).hidden = true;
    if (request.status === 200) {
      const names = JSON.parse(request.responseText).images.map((image) => image.tags[0] ?? image.id.slice(7, 19));
      toast(`${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""} loaded.`);
      this.#file = null;
      this.form.reset();
      setText($("[data-load-name]", this.dialog), "");
      this.#switch();
      this.dialog.close();
    } else if (this.dialog.open) showProblems(this.form, problemsOf(request));
  }
}

function problemsOf(request) {
  try {
    const { detail, errors } = JSON.parse(request.responseText);
    return errors && !Array.isArray(errors) ? errors : { "": [detail] };
  } catch {
    return { "": ["It was broken off; nothing of it was kept."] };
  }
}
