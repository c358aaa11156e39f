// One host.
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { startHostMeters } from "../hosts.js";
import { onChange, onReset } from "../live.js";
import { fillContainer } from "../rows.js";

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
  if (change.object_id !== id || !change.object) return;
  $("[data-online]").dataset.online = change.object.online ? "yes" : "no";
  startHostMeters();
  refreshSoon("headline", "offline", "machine");
});
onReset(() => refreshSoon(...FRAGMENTS));
startHostMeters();
