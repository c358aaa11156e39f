// Files on their way up: two at a time, each with its progress and a way to break it off. What is there already is
// replaced only when somebody says so, and only as long as nobody else changes it.
import { Problem } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, el, icon, setText } from "../dom.js";
import { size } from "../format.js";
import { toast } from "../toast.js";
import { conditions, token, visible } from "./source.js";

const AT_ONCE = 2;

export class Uploads {
  #waiting = [];
  #running = new Set();
  #asking = Promise.resolve();
  #replaceAll = null;
  #done = 0;

  /** `list` is the <ul> that shows them; `onPlaced` is called for each file that is in its place. */
  constructor(list, files, onPlaced) {
    this.list = list;
    this.files = files;
    this.onPlaced = onPlaced;
    addEventListener("beforeunload", (event) => this.isBusy && event.preventDefault());
  }

  get isBusy() {
    return this.#running.size > 0 || this.#waiting.length > 0;
  }

  /** `items`: [{file, path, name}…], the path as addresses have it. */
  add(items) {
    if (!this.isBusy) [this.#replaceAll, this.#done] = [null, 0];
    for (const item of items) this.#waiting.push(this.#shown(item));
    this.#next();
  }

  #shown(item) {
    const bar = el("progress", { max: item.file.size || 1, value: 0, "aria-label": `Upload of ${visible(item.name)}` });
    const state = el("span", { class: "small faint", "data-state": "" }, "waiting");
    const stop = el("button", { type: "button", class: "button button-quiet button-icon button-small", "aria-label": `Cancel the upload of ${visible(item.name)}`, title: "Cancel" }, icon("close"));
    const row = el("li", {}, el("span", { class: "truncate" }, visible(item.name)), bar, state, stop);
    const upload = { ...item, row, bar, state, request: null, isCancelled: false };
    stop.addEventListener("click", () => this.#cancel(upload));
    this.list.append(row);
    return upload;
  }

  #cancel(upload) {
    upload.isCancelled = true;
    if (upload.request) return upload.request.abort();
    this.#waiting = this.#waiting.filter((one) => one !== upload);
    upload.row.remove();
    return undefined;
  }

  #next() {
    while (this.#running.size < AT_ONCE && this.#waiting.length) {
      const upload = this.#waiting.shift();
      this.#running.add(upload);
      this.#run(upload).finally(() => {
        this.#running.delete(upload);
        this.#next();
        if (!this.isBusy && this.#done) toast(`${this.#done} file${this.#done > 1 ? "s" : ""} uploaded.`);
      });
    }
  }

  async #run(upload) {
    try {
      const found = await this.files.look(upload.path);
      if (found && found.type === "directory") throw new Problem(409, { detail: "a folder has this name" });
      if (found && !(await this.#mayReplace(upload))) return upload.row.remove();
      if (upload.isCancelled) return upload.row.remove();
      await this.#send(upload, found ? { etag: found.type === "file" ? found.etag : null } : { isNew: true });
      upload.row.remove();
      this.#done += 1;
      this.onPlaced(upload);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#fail(upload, problem);
    }
    return undefined;
  }

  #fail(upload, problem) {
    if (upload.isCancelled) return upload.row.remove();
    upload.row.dataset.failed = "";
    setText(upload.state, problem.message);
    upload.request = null;
    $("button", upload.row).title = "Close";
    return undefined;
  }

  /** One question at a time, whoever asks; an answer may hold for those that follow. */
  #mayReplace(upload) {
    this.#asking = this.#asking.then(async () => {
      if (upload.isCancelled) return false;
      if (this.#replaceAll !== null) return this.#replaceAll;
      setText(upload.state, "is there already");
      const more = this.#waiting.length + this.#running.size > 1;
      const answer = await confirmAction({ title: `Replace ${visible(upload.name)}?`, text: "A file of this name is there already. Its content is lost; owner and mode stay.", yes: "Replace", check: more ? "The same for all that follow" : null });
      if (answer?.checked) this.#replaceAll = true;
      return Boolean(answer);
    });
    return this.#asking;
  }

  #send(upload, terms) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest(); // fetch can't tell how far an upload is
      request.open("PUT", this.files.address(upload.path, "content/", { parents: "true" }));
      for (const [name, value] of Object.entries({ ...conditions(terms), "X-CSRFToken": token(), "Content-Type": "application/octet-stream" })) request.setRequestHeader(name, value);
      request.upload.addEventListener("progress", ({ loaded, total }) => {
        [upload.bar.max, upload.bar.value] = [total || 1, loaded];
        setText(upload.state, loaded < total ? `${size(loaded)} of ${size(total)}` : "putting it in its place");
      });
      request.addEventListener("loadend", () => (request.status === 200 ? resolve() : reject(problemOf(request))));
      upload.request = request;
      setText(upload.state, "sending");
      request.send(upload.file);
    });
  }
}

function problemOf(request) {
  try {
    return new Problem(request.status, JSON.parse(request.responseText));
  } catch {
    return new Problem(0, { detail: "It was cut short; nothing was changed." });
  }
}

/** The files of a drop, those of folders too: [{file, names}…]. To be called while the event is handled. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, names: [file.name] }));
  const found = [];
  for (const entry of entries) await walk(entry, [], found);
  return found;
}

async function walk(entry, above, found) {
  const names = [...above, entry.name];
  if (entry.isFile) return found.push({ file: await new Promise((resolve, reject) => entry.file(resolve, reject)), names });
  const reader = entry.createReader();
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return undefined;
    for (const one of batch) await walk(one, names, found);
  }
}
