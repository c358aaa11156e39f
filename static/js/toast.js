// Short notices in the corner. Errors stay until they are closed; the rest leave by themselves.
import { $, el, icon } from "./dom.js";

const STAY_MS = 6000;
const MOST = 4;

export function toast(text, { bad = false, href = null, link = "Show" } = {}) {
  const region = $("#toasts");
  if (!region) return;
  const close = el("button", { type: "button", class: "button button-quiet button-icon button-small", "aria-label": "Close notice" }, icon("close"));
  const body = el("div", {}, el("p", {}, text), href ? el("a", { href, class: "small" }, link) : null);
  const notice = el("div", { class: bad ? "toast toast-bad" : "toast", role: bad ? "alert" : null }, icon(bad ? "warn" : "check"), body, close);
  close.addEventListener("click", () => notice.remove());
  while (region.children.length >= MOST) region.firstElementChild.remove();
  region.append(notice);
  if (!bad) setTimeout(() => notice.remove(), STAY_MS);
}
