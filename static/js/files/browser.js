// A browser of files: where one is, what is there, and what is done with it by mouse and by keyboard.
import { Problem } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, setText } from "../dom.js";
import { toast } from "../toast.js";
import { askName, askOwner } from "./dialogs.js";
import { crumbs, fileRow, find, leadsTo } from "./rows.js";
import { Files, above, join, pathOf, visible } from "./source.js";
import { Uploads, droppedFiles } from "./uploads.js";
import { Viewer } from "./viewer.js";

const PAGE = 500;

export class FileBrowser {
  #entries = new Map();
  #sort = "name";
  #order = "asc";
  #latest = 0;
  #next = null;
  #isShown = false;

  /** `root` is parts/files/browser.html; `emptyText` what an empty top is told about. */
  constructor(root, { emptyTitle, emptyText }) {
    this.root = root;
    this.files = new Files(root.dataset.base);
    this.mayRead = "mayRead" in root.dataset;
    this.mayWrite = "mayWrite" in root.dataset;
    this.emptyWords = [emptyTitle, emptyText];
    this.path = new URLSearchParams(location.search).get("path") === null ? "" : rawPath();
    this.viewer = new Viewer($("#file-dialog"), this.files, { mayWrite: this.mayWrite, onSaved: () => this.load() });
    this.uploads = new Uploads($("[data-uploads]", root), this.files, (upload) => above(upload.path) === this.path && this.#soon());
    this.#listen();
  }

  /** Look at where we are; called each time when the browser is shown. */
  show() {
    this.#isShown = true;
    return this.load();
  }

  hide() {
    this.#isShown = false;
  }

  async load({ isMore = false, focus = null } = {}) {
    const mine = ++this.#latest;
    const path = this.path;
    const kept = isMore ? null : (focus ?? document.activeElement?.closest?.("tr[data-path]")?.dataset.path);
    const again = $("[data-again]", this.root);
    again.setAttribute("aria-busy", "true");
    try {
      const query = { sort: this.#sort, order: this.#order, limit: PAGE, offset: isMore ? this.#next : 0 };
      const found = await this.files.list(path, query);
      if (mine !== this.#latest) return;
      if (found.entries === null) return this.go(above(path), { replace: true });
      this.#fill(found, isMore);
      if (kept) find(this.root, kept)?.focus({ preventScroll: false });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === this.#latest) this.#trouble(problem);
    } finally {
      if (mine === this.#latest) again.removeAttribute("aria-busy");
    }
  }

  /** Go to a directory; the browser's own way back leads back. */
  go(path, { replace = false, focus = null } = {}) {
    this.path = path;
    const url = new URL(location.href);
    url.search = path ? `?path=${path}` : "";
    history[replace ? "replaceState" : "pushState"](null, "", url);
    $("[data-rows]", this.root).replaceChildren();
    return this.load({ focus });
  }

  #fill({ entries, total, more, offset }, isMore) {
    const body = $("[data-rows]", this.root);
    if (!isMore) {
      this.#entries.clear();
      body.replaceChildren();
    }
    for (const entry of entries) this.#entries.set(pathOf(entry), entry);
    body.append(...entries.map((entry) => fileRow(entry, this)));
    this.#next = offset + PAGE;
    this.#place();
    const shown = this.#entries.size;
    $("[data-table]", this.root).hidden = total === 0;
    $("[data-empty]", this.root).hidden = total > 0;
    $("[data-trouble]", this.root).hidden = true;
    $("[data-pager]", this.root).hidden = this.#next >= total && !more;
    $("[data-more]", this.root).hidden = this.#next >= total;
    setText($("[data-count]", this.root), more ? `The first ${total.toLocaleString()} of even more were counted; ${shown} are shown.` : `${shown} of ${total.toLocaleString()} are shown.`);
    this.#say(total === 0 ? "" : `${total.toLocaleString()}${more ? " and more" : ""} ${total === 1 ? "entry" : "entries"}${this.mayRead ? "" : ". Your role shows names alone; reading takes that of an operator."}`);
    this.#current($("tr", body));
    this.#ticked();
  }

  /** What tells where we are. */
  #place() {
    const isTop = this.path === "";
    $("[data-crumbs]", this.root).replaceChildren(...crumbs(this.path, this.root.dataset.title, (path) => this.go(path)));
    const [title, text] = isTop ? this.emptyWords : ["An empty folder", "Drop files here, or go up by Backspace."];
    setText($("[data-empty-title]", this.root), title);
    setText($("[data-empty-text]", this.root), text);
    const download = $("[data-download-here]", this.root);
    if (download) download.href = this.files.archive(this.path);
    for (const head of $$("[data-sort]", this.root)) {
      if (head.dataset.sort === this.#sort) head.setAttribute("aria-sort", this.#order === "asc" ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  }

  #trouble(problem) {
    this.#place();
    $("[data-table]", this.root).hidden = true;
    $("[data-empty]", this.root).hidden = true;
    $("[data-pager]", this.root).hidden = true;
    $("[data-trouble]", this.root).hidden = false;
    setText($("[data-trouble-title]", this.root), { 404: "It is not there any more", 403: "This can't be looked at", 503: "Its host can't be asked now" }[problem.status] ?? "It can't be looked at");
    setText($("[data-trouble-text]", this.root), problem.message);
    this.#say("");
  }

  // ---- what is done

  open(entry) {
    if (leadsTo(entry) === "directory") return this.go(pathOf(entry));
    if (leadsTo(entry) !== "file") return toast(entry.type === "link" ? `${visible(entry.name)} leads nowhere inside: ${visible(entry.target)}` : `${visible(entry.name)} is a ${entry.type}: it has no content to show.`, { bad: true });
    if (!this.mayRead) return toast("Your role shows names alone: reading a file takes that of an operator.", { bad: true });
    return this.viewer.open(entry);
  }

  up() {
    return this.path === "" ? undefined : this.go(above(this.path), { focus: this.path });
  }

  async rename(entry) {
    const path = pathOf(entry);
    const done = await askName({ title: `Rename or move ${visible(entry.name)}`, name: entry.path === null ? "" : entry.name, yes: "Rename", orPath: true, send: (name) => this.files.rename(path, name) });
    if (done) await this.load({ focus: pathOf(done) });
    else find(this.root, path)?.focus();
  }

  async own(entry) {
    const done = await askOwner({ entry, send: (changes) => this.files.own(pathOf(entry), changes) });
    if (done) await this.load({ focus: pathOf(entry) });
  }

  async remove(entries) {
    const [first] = entries;
    const isOne = entries.length === 1;
    const answer = await confirmAction({
      title: isOne ? `Delete ${visible(first.name)}?` : `Delete ${entries.length} entries?`,
      text: `${entries.some((one) => one.type === "directory") ? "With all that is in it. " : ""}This can't be undone, and containers that have the volume lose it at once.`, yes: "Delete",
    });
    if (!answer) return isOne ? find(this.root, pathOf(first))?.focus() : undefined;
    const row = find(this.root, pathOf(first));
    const neighbour = (row?.nextElementSibling ?? row?.previousElementSibling)?.dataset.path;
    for (const entry of entries) {
      find(this.root, pathOf(entry))?.setAttribute("aria-busy", "true");
      try {
        await this.files.remove(pathOf(entry));
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        toast(`${visible(entry.name)}: ${problem.message}`, { bad: true });
      }
    }
    return this.load({ focus: neighbour });
  }

  async makeFolder() {
    const done = await askName({ title: "New folder", yes: "Make it", send: (name) => this.files.makeDirectory(join(this.path, name)) });
    if (done) await this.load({ focus: pathOf(done) });
  }

  async makeFile() {
    const done = await askName({ title: "New file", yes: "Make it", send: (name) => this.files.write(join(this.path, name), new Blob([]), { isNew: true }) });
    if (!done) return;
    await this.load({ focus: pathOf(done) });
    this.viewer.open(done);
  }

  /** `found`: [{file, names}…], names from here on. */
  upload(found) {
    const items = found.map(({ file, names }) => ({ file, name: names.join("/"), path: names.reduce(join, this.path) }));
    if (items.length) this.uploads.add(items);
  }

  // ---- listening

  #listen() {
    const { root } = this;
    root.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("change", (event) => event.target.matches("[data-tick], [data-tick-all]") && this.#ticked(event.target));
    $("[data-rows]", root).addEventListener("keydown", (event) => this.#pressed(event));
    $("[data-rows]", root).addEventListener("focusin", (event) => this.#current(event.target.closest("tr")));
    $("[data-rows]", root).addEventListener("dblclick", (event) => !event.target.closest("a, button, input, summary") && this.open(this.#of(event.target)));
    addEventListener("popstate", () => {
      this.path = rawPath();
      if (this.#isShown) this.load();
    });
    addEventListener("focus", () => this.#isShown && !document.querySelector("dialog[open]") && this.#soon());
    if (!this.mayWrite) return;
    const chosen = $("[data-upload-files]", root);
    chosen.addEventListener("change", () => {
      this.upload([...chosen.files].map((file) => ({ file, names: [file.name] })));
      chosen.value = "";
    });
    const bulk = $("[data-files-bulk]");
    $("[data-bulk-remove]", bulk).addEventListener("click", () => this.remove(this.#chosen()));
    $("[data-bulk-none]", bulk).addEventListener("click", () => {
      for (const box of $$("[data-tick]", root)) box.checked = false;
      this.#ticked();
    });
    this.#listenToDrops();
  }

  #listenToDrops() {
    const drop = $("[data-drop]", this.root);
    const isOurs = (event) => this.#isShown && [...(event.dataTransfer?.types ?? [])].includes("Files") && !document.querySelector("dialog[open]");
    addEventListener("dragover", (event) => {
      if (!isOurs(event)) return;
      event.preventDefault();
      drop.hidden = false;
      setText($("[data-drop-where]", drop), `into ${this.path ? $("[data-crumbs] li:last-child", this.root).textContent : this.root.dataset.title}`);
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) drop.hidden = true;
    });
    addEventListener("drop", async (event) => {
      drop.hidden = true;
      if (!isOurs(event)) return;
      event.preventDefault();
      this.upload(await droppedFiles(event.dataTransfer));
    });
  }

  #clicked(event) {
    const is = (selector) => event.target.closest(selector);
    const sort = is("[data-sort] button")?.parentElement.dataset.sort;
    if (sort) {
      this.#order = sort === this.#sort && this.#order === "asc" ? "desc" : "asc";
      this.#sort = sort;
      this.load();
    } else if (is("[data-again]")) this.load();
    else if (is("[data-more]")) this.load({ isMore: true });
    else if (is("[data-upload]")) $("[data-upload-files]", this.root).click();
    else if (is("[data-new-folder]")) this.makeFolder();
    else if (is("[data-new-file]")) this.makeFile();
  }

  #pressed(event) {
    const row = event.target.closest("tr");
    if (!row || event.target !== row || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = $$("tr", row.parentElement);
    const at = rows.indexOf(row);
    const step = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1, PageDown: at + 10, PageUp: at - 10 }[event.key];
    const entry = this.#of(row);
    const acts = { Enter: () => this.open(entry), Backspace: () => this.up() };
    if (this.mayWrite) Object.assign(acts, { Delete: () => this.remove([entry]), F2: () => this.rename(entry), " ": () => this.#tick(row) });
    if (step === undefined && !acts[event.key]) return;
    event.preventDefault();
    if (step !== undefined) rows[Math.max(0, Math.min(rows.length - 1, step))].focus();
    else acts[event.key]();
  }

  /** One row alone is in the way of Tab. */
  #current(row) {
    for (const other of $$("tr[tabindex='0']", $("[data-rows]", this.root))) other.tabIndex = -1;
    if (row) row.tabIndex = 0;
  }

  #tick(row) {
    const box = $("[data-tick]", row);
    box.checked = !box.checked;
    this.#ticked(box);
  }

  #ticked(box = null) {
    const all = $("[data-tick-all]", this.root);
    if (!all) return;
    if (box === all) for (const one of $$("[data-tick]", this.root)) one.checked = all.checked;
    const count = this.#chosen().length;
    all.checked = count > 0 && count === this.#entries.size;
    all.indeterminate = count > 0 && count < this.#entries.size;
    $("[data-files-bulk]").hidden = count === 0;
    setText($("[data-bulk-count]"), `${count} chosen`);
  }

  #chosen() {
    return $$("tr:has([data-tick]:checked)", this.root).map((row) => this.#entries.get(row.dataset.path));
  }

  #of(place) {
    return this.#entries.get(place.closest("tr").dataset.path);
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), 150);
  }

  #say(text) {
    setText($("[data-note]", this.root), text);
  }
}

/** What the address names, still encoded. */
function rawPath() {
  const found = /[?&]path=([^&]*)/.exec(location.search)?.[1] ?? "";
  const path = found.replaceAll("%2F", "/").replace(/^\/*/, "/").replace(/\/+$/, "");
  return path === "/" ? "" : path;
}
