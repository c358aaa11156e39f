// Fetches this page again and exchanges the named parts of it: for what one changed object can't tell alone
// (counts, totals, an empty list that is empty no more). Asked for by events, never by a clock.
import { $, $$ } from "./dom.js";

const PAUSE_MS = 150;
const TRIES = 5; // browsers break off what they load when the machine's network changes
const wanted = new Set();
let timer = 0;
let running = null;
let failures = 0;
const postponed = new Set();

/** Refresh parts soon; requests that come close together are one. */
export function refreshSoon(...names) {
  for (const name of names) wanted.add(name);
  if (!timer && !running) timer = setTimeout(flush, PAUSE_MS);
}

async function flush() {
  timer = 0;
  const names = [...wanted];
  wanted.clear();
  running = refresh(location.href, names).then(() => true, () => false);
  failures = (await running) ? 0 : failures + 1;
  running = null;
  if (failures > 0 && failures < TRIES) for (const name of names) wanted.add(name);
  if (wanted.size) timer = setTimeout(flush, PAUSE_MS * 2 ** failures);
}

/** Fetch `url` and put its parts in place of ours. Answers the parsed page, or null when it is not to be had. */
export async function refresh(url, names, stillWanted = () => true) {
  const response = await fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } });
  if (!response.ok || response.redirected) return null;
  const text = await response.text();
  if (!stillWanted()) return null;
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const name of names) {
    const old = $(`[data-fragment="${name}"]`);
    const fresh = $(`[data-fragment="${name}"]`, page);
    if (old && fresh) exchange(old, document.adoptNode(fresh));
  }
  return page;
}

function exchange(old, fresh) {
  // What a person has open or ticked stays so; what has the focus keeps it.
  if ($("details[open], dialog[open]", old)) return postponed.add(old.dataset.fragment);
  const ticked = new Set($$("tr:has([data-tick]:checked)", old).map((row) => row.dataset.id));
  for (const box of $$("tr[data-id] [data-tick]", fresh)) if (ticked.has(box.closest("tr").dataset.id)) box.checked = true;
  const focus = focusPath(old);
  old.replaceWith(fresh);
  if (focus) $(focus, fresh)?.focus({ preventScroll: true });
  fresh.dispatchEvent(new CustomEvent("fragment", { bubbles: true }));
}

for (const closing of ["toggle", "close"]) {
  document.addEventListener(closing, () => {
    if (!postponed.size) return;
    const names = [...postponed];
    postponed.clear();
    refreshSoon(...names);
  }, true);
}

function focusPath(root) {
  const active = document.activeElement;
  if (!active || !root.contains(active)) return null;
  if (active.id) return `#${CSS.escape(active.id)}`;
  const row = active.closest("tr[data-id]");
  const action = active.dataset.action ? `[data-action="${active.dataset.action}"]` : "a";
  return row ? `tr[data-id="${CSS.escape(row.dataset.id)}"] ${action}` : action;
}
