// One host.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { startHostMeters } from "../hosts.js";
import { onChange, onReset } from "../live.js";
import { fillContainer } from "../rows.js";
import { toast } from "../toast.js";

const FRAGMENTS = ["headline", "offline", "containers", "machine"];
const id = $("[data-host-stats]").dataset.hostStats;

onChange("container", (change) => {
  if (change.object && change.object.host.id !== id) return;
  const row = $(`tr[data-id="${CSS.escape(change.object_id)}"]`);
  const before = row?.dataset.status;
  if (row && change.object) fillContainer(row, change.object);
  if (!row || before !== row.dataset.status || change.action === "removed") refreshSoon("containers", "machine");
});
onChange("host", (change) => {
  if (change.object_id !== id) return;
  if (change.action === "removed") {
    leave();
    return;
  }
  $("[data-online]").dataset.online = change.object.online ? "yes" : "no";
  startHostMeters();
  refreshSoon("headline", "offline", "machine");
});
let isLeaving = false;
function leave() {
  if (isLeaving) return;
  isLeaving = true;
  toast("This host is forgotten.");
  setTimeout(() => location.assign("/"), 800);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-host-forget]");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  const { name, held } = button.dataset;
  const all = held ? `${held}, logs, images and jobs` : "images and jobs";
  const answer = await confirmAction({
    title: `Forget ${name}?`,
    text: `The site forgets all that it knows of it: ${all}. The machine itself is not touched: what runs there runs on, and if its worker calls again, it is a new host.`,
    yes: "Forget",
  });
  if (!answer) return;
  button.setAttribute("aria-busy", "true");
  if ((await attempt("DELETE", `hosts/${id}/?force=true`)) === undefined) button.removeAttribute("aria-busy");
  else leave();
});
onReset(() => refreshSoon(...FRAGMENTS));
startHostMeters();
