// A file as a row, and the way to it as links.
import { $, el, icon } from "../dom.js";
import { size } from "../format.js";
import { timeElement } from "../time.js";
import { modeText, pathOf, steps, visible } from "./source.js";

const ICONS = { directory: "folder", link: "link", pipe: "plug", socket: "plug", device: "plug" };
const PICTURE = /\.(png|jpe?g|gif|webp|avif|bmp|ico|svg)$/i;

/** What opening it would open. */
export function leadsTo(entry) {
  return entry.type === "link" ? entry.leads_to : entry.type;
}

export function find(root, path) {
  return $(`tr[data-path="${CSS.escape(path)}"]`, root);
}

/** `browser` does what the row's buttons ask for. */
export function fileRow(entry, browser) {
  const name = visible(entry.name);
  const isDirectory = leadsTo(entry) === "directory";
  const row = el("tr", { "data-path": pathOf(entry), "data-type": entry.type, tabindex: "-1" });
  if (browser.mayWrite) row.append(el("td", { class: "tick" }, el("input", { type: "checkbox", "data-tick": true, tabindex: "-1", "aria-label": `Choose ${name}` })));
  row.append(
    el("td", {}, nameCell(entry, name, isDirectory, browser)),
    el("td", { class: "numeric small files-size" }, entry.type === "file" ? size(entry.size_bytes) : ""),
    el("td", { class: "small soft files-when wide" }, timeElement(entry.modified_at)),
    el("td", { class: "code files-owner wider" }, `${entry.uid}:${entry.gid}`),
    el("td", { class: "code files-mode wider", title: entry.mode }, modeText(entry.mode)),
    el("td", { class: "actions" }, menu(entry, name, isDirectory, browser)),
  );
  return row;
}

function nameCell(entry, name, isDirectory, browser) {
  const kind = entry.type === "file" && PICTURE.test(entry.name) ? "picture" : (ICONS[entry.type] ?? "file");
  const open = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    browser.open(entry);
  };
  const words = isDirectory
    ? el("a", { class: "name truncate", href: `?path=${pathOf(entry)}`, tabindex: "-1", title: name, onclick: open }, name)
    : el("button", { type: "button", class: "name truncate", tabindex: "-1", title: name, onclick: open }, name);
  const target = entry.type === "link" ? el("span", { class: "under truncate", title: visible(entry.target) }, `→ ${visible(entry.target)}${entry.leads_to ? "" : " (not in here)"}`) : null;
  return el("div", { class: "files-name", "data-kind": kind }, icon(kind), el("div", { class: "files-words" }, words, target));
}

function menu(entry, name, isDirectory, browser) {
  const { files, mayRead, mayWrite } = browser;
  const item = (symbol, text, act, danger = false) => el("button", { type: "button", class: danger ? "danger" : null, onclick: act }, icon(symbol), text);
  const items = [];
  if (mayRead && leadsTo(entry) === "file") items.push(el("a", { href: files.content(pathOf(entry)), download: "" }, icon("download"), "Download"));
  if (mayRead && isDirectory) items.push(el("a", { href: files.archive(pathOf(entry)), download: "" }, icon("download"), "Download as tar"));
  if (mayWrite) {
    items.push(item("edit", "Rename", () => browser.rename(entry)), item("key", "Owner and mode", () => browser.own(entry)));
    items.push(el("hr"), item("trash", "Delete", () => browser.remove([entry]), true));
  }
  if (!items.length) return "";
  const summary = el("summary", { class: "button button-quiet button-icon", "aria-label": `Actions for ${name}`, title: "Actions" }, icon("more"));
  return el("details", { class: "menu" }, summary, el("div", { class: "menu-list" }, ...items));
}

/** Where we are, as list items; the last is here. `go(path)` leads there. */
export function crumbs(path, title, go) {
  const places = [{ path: "", name: title }, ...steps(path)];
  return places.map((place, index) => {
    if (index === places.length - 1) return el("li", { "aria-current": "page" }, place.name);
    const link = el("a", { href: place.path ? `?path=${place.path}` : location.pathname }, place.name);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(place.path);
    });
    return el("li", {}, link);
  });
}
