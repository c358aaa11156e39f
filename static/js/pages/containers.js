// The list of containers: marks change at once; rows come and go by one fetch of the list.
import { actOnMany } from "../actions.js";
import { $, $$, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { onChange, onReset } from "../live.js";
import { fillContainer } from "../rows.js";
import { startPrune } from "../prune.js";
import { startSearch } from "../search.js";
import { startUse, watchUse } from "../use.js";

const FRAGMENTS = ["filters", "list"];

onChange("container", (change) => {
  const row = $(`tr[data-id="${CSS.escape(change.object_id)}"]`);
  if (change.action === "removed") {
    row?.remove();
    return refreshSoon(...FRAGMENTS);
  }
  const before = row?.dataset.status;
  if (row) fillContainer(row, change.object);
  if (before !== row?.dataset.status) watchUse();
  // A row that only changed its ports needs no new list; one that moved between filters does.
  if (!row || before !== row.dataset.status) refreshSoon(...FRAGMENTS);
});
const online = new Map(); // a host is told of with every beat of its heart; here it matters whether it is there
onChange("host", ({ object_id: id, object }) => {
  if (online.get(id) === object?.online) return;
  online.set(id, object?.online);
  refreshSoon("list");
});
onReset(() => refreshSoon(...FRAGMENTS));
startSearch(...FRAGMENTS);

startPrune();
startUse();

const bulk = $("[data-bulk]"); // only for who may do something to many at once
const ticked = () => $$("tr:has([data-tick]:checked)");

function showBulk() {
  if (!bulk) return;
  const rows = ticked();
  bulk.hidden = rows.length === 0;
  setText($("[data-bulk-count]"), `${rows.length} selected`);
  const all = $("[data-tick-all]");
  if (!all) return;
  const total = $$("[data-tick]").length;
  all.checked = total > 0 && rows.length === total;
  all.indeterminate = rows.length > 0 && rows.length < total;
}

let lastTick = null;
document.addEventListener("click", (event) => {
  const box = event.target.closest?.("[data-tick]");
  if (!box) return;
  const boxes = $$("[data-tick]");
  if (event.shiftKey && lastTick && boxes.includes(lastTick)) {
    const [from, to] = [boxes.indexOf(lastTick), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
  }
  lastTick = box;
  showBulk();
});
document.addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-tick-all]")) return;
  for (const box of $$("[data-tick]")) box.checked = event.target.checked;
  showBulk();
});
document.addEventListener("fragment", showBulk);
document.addEventListener("fragment", watchUse);

bulk?.addEventListener("click", async (event) => {
  if (event.target.closest("[data-bulk-clear]")) {
    for (const box of $$("[data-tick]")) box.checked = false;
    return showBulk();
  }
  const button = event.target.closest("[data-bulk-action]");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  await actOnMany(ticked(), button.dataset.bulkAction);
  button.removeAttribute("aria-busy");
});
