// Adding a host: whichever calls for the first time is shown at once, and said to be here.
import { $$ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { startHostMeters } from "../hosts.js";
import { onChange, onReset } from "../live.js";
import { toast } from "../toast.js";

const known = new Set($$("[data-host]").map((card) => card.dataset.host));

onChange("host", (change) => {
  refreshSoon("hosts");
  if (!change.object?.online || known.has(change.object_id)) return;
  known.add(change.object_id);
  toast(`${change.object.name} is here.`, { href: `/hosts/${encodeURIComponent(change.object_id)}/`, link: "Open" });
});
onReset(() => refreshSoon("hosts"));
document.addEventListener("fragment", (event) => event.target.dataset.fragment === "hosts" && startHostMeters());

startHostMeters();
