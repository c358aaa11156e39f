// One network: who is on it, what is left of its addresses; containers join and leave.
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { onChange, onReset } from "../live.js";
import { startConnect } from "../networks/dialogs.js";
import { disconnect, remove } from "../networks/ending.js";
import { toast } from "../toast.js";

const FRAGMENTS = ["members", "use", "actions"];
const root = $("#network");
const connect = startConnect();

onChange("network", (change) => {
  if (String(change.object_id) !== root.dataset.id) return;
  if (change.action === "removed") leave();
  else refreshSoon(...FRAGMENTS);
});
onChange("container", (change) => $(`tr[data-id="${CSS.escape(change.object_id)}"]`, root) && refreshSoon("members"));
onReset(() => refreshSoon(...FRAGMENTS));

function leave() {
  toast(`The network ${root.dataset.name} is removed.`);
  setTimeout(() => location.assign("/networks/"), 800);
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  if (button.matches("[data-connect]")) connect(root);
  else if (button.matches("[data-disconnect]")) disconnect(button, root.dataset);
  else if (button.matches("[data-network-remove]")) remove(button, root.dataset);
});
