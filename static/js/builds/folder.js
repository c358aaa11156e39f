// A folder on its way to a host: chosen, dropped, packed as a tar while it is sent, with progress.
import { $, setText } from "../dom.js";
import { size } from "../format.js";
import { tarOf } from "../tar.js";
import { Problem } from "../api.js";

const ARCHIVE = /\.(tar|tgz|tar\.gz|tar\.zst|zip)$/i;

export class Folder {
  /** `root` has [data-drop]; `onChange` is told when another folder is chosen. */
  constructor(root, onChange) {
    this.root = root;
    this.onChange = onChange;
    this.name = "";
    this.body = null;
    this.request = null;
    const drop = $("[data-drop]", root);
    $("#folder").addEventListener("change", (event) => this.#files([...event.target.files].map((file) => [file, file.webkitRelativePath])));
    $("#archive").addEventListener("change", (event) => event.target.files[0] && this.#archive(event.target.files[0]));
    for (const type of ["dragenter", "dragover"]) {
      drop.addEventListener(type, (event) => {
        event.preventDefault();
        drop.dataset.over = "";
      });
    }
    drop.addEventListener("dragleave", () => delete drop.dataset.over);
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      delete drop.dataset.over;
      this.#dropped(event.dataTransfer);
    });
  }

  /** Send it to `host`; answers the context as REST shows it. Throws Problem. */
  send(host) {
    const query = new URLSearchParams({ name: this.name });
    if (host) query.set("host", host);
    const request = new XMLHttpRequest(); // fetch can't tell how far an upload is
    const bar = $("[data-folder-bar]", this.root);
    request.open("POST", `/api/v1/builds/contexts/?${query}`);
    request.setRequestHeader("X-CSRFToken", $('meta[name="csrf-token"]')?.content ?? "");
    request.setRequestHeader("Content-Type", "application/x-tar");
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.max = total || 1;
      bar.value = loaded;
    });
    bar.hidden = false;
    this.request = request;
    return new Promise((resolve, reject) => {
      request.addEventListener("loadend", () => {
        bar.hidden = true;
        this.request = null;
        const answer = decoded(request.responseText);
        if (request.status === 201) resolve(answer);
        else reject(new Problem(request.status, { detail: "It was broken off; nothing of it was kept.", ...answer }));
      });
      request.send(this.body);
    });
  }

  #files(pairs) {
    if (!pairs.length) return;
    const top = pairs[0][1].split("/")[0];
    const inside = pairs.map(([file, path]) => [file, path.startsWith(`${top}/`) ? path.slice(top.length + 1) : path]);
    const paths = new Map(inside);
    this.#take(top, tarOf([...paths.keys()], (file) => paths.get(file)), `${pairs.length} file${pairs.length > 1 ? "s" : ""}`);
  }

  #archive(file) {
    this.#take(file.name, file, "archive");
  }

  #take(name, body, what) {
    this.name = name;
    this.body = body;
    setText($("[data-folder-name]", this.root), `${name}: ${what}, ${size(body.size)}`);
    this.onChange();
  }

  async #dropped(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (entries.length === 1 && entries[0].isFile && ARCHIVE.test(entries[0].name)) return this.#archive(await fileOf(entries[0]));
    const found = [];
    for (const entry of entries) await walk(entry, found);
    const top = entries.length === 1 && entries[0].isDirectory ? "" : "files/";
    this.#files(found.map(([file, path]) => [file, top + path]));
  }
}

function decoded(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function walk(entry, found, path = "") {
  const name = path + entry.name;
  if (entry.isFile) return found.push([await fileOf(entry), name]);
  const reader = entry.createReader();
  for (;;) { // a browser gives a directory in parts
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found.length;
    for (const child of some) await walk(child, found, `${name}/`);
  }
}
