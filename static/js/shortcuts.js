// Single keys. They can be switched off in their own dialog (WCAG 2.1.4) and never act inside a field.
import { $, $$ } from "./dom.js";

const STORE = "portside.keys";
const GO = { o: "/", c: "/containers/", i: "/images/", b: "/builds/", n: "/networks/", v: "/volumes/", j: "/jobs/", r: "/registries/", t: "/teams/", s: "/settings/" };
let waitingForGo = 0;

const PLAIN = {
  "/": () => $("[data-search]")?.focus(),
  c: () => location.assign("/containers/new/"),
  p: () => ($("#pull-dialog") ? $("#pull-dialog").showModal() : location.assign("/images/?pull")),
  "?": () => $("#keys-dialog").showModal(),
  j: () => step(1),
  k: () => step(-1),
  g: () => { waitingForGo = Date.now(); },
};

function step(by) {
  const rows = $$("tbody tr[data-id] a.name");
  if (!rows.length) return;
  const at = rows.indexOf($("a.name", document.activeElement?.closest?.("tr[data-id]") ?? document.createElement("i")));
  rows[Math.min(rows.length - 1, Math.max(0, at === -1 ? 0 : at + by))].focus();
}

function enabled() {
  try {
    return localStorage.getItem(STORE) !== "off";
  } catch {
    return true;
  }
}

export function startShortcuts() {
  const box = $("#keys-enabled");
  if (box) {
    box.checked = enabled();
    box.addEventListener("change", () => localStorage.setItem(STORE, box.checked ? "on" : "off"));
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const field = event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (field) {
      if (event.key === "Escape" && field.matches("[data-search]")) field.blur();
      return;
    }
    if (!enabled() || $("dialog[open]")) return;
    const go = Date.now() - waitingForGo < 1500 && GO[event.key];
    waitingForGo = 0;
    if (go) {
      event.preventDefault();
      location.assign(go);
    } else if (PLAIN[event.key]) {
      event.preventDefault();
      PLAIN[event.key]();
    }
  });
}
