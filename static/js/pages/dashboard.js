// Overview: marks change at once, counts and lists follow by one fetch when something changed.
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { startHostMeters } from "../hosts.js";
import { onChange, onReset } from "../live.js";
import { fillContainer, fillJob } from "../rows.js";
import { startStarterButtons } from "../starter.js";

const row = (kind, id) => $(`tr[data-kind="${kind}"][data-id="${CSS.escape(id)}"]`);

onChange("container", (change) => {
  const here = row("container", change.object_id);
  if (here && change.object) fillContainer(here, change.object);
  refreshSoon("tiles", "containers", "welcome");
});

onChange("job", (change) => {
  const here = row("job", change.object_id);
  const isNews = !here || here.dataset.status !== change.object?.status;
  if (here && change.object) fillJob(here, change.object);
  // Progress comes many times a second; only a new or ended job changes lists and counts.
  if (isNews) refreshSoon("tiles", "jobs");
});

onChange("image", () => refreshSoon("tiles", "welcome"));
onChange("host", () => refreshSoon("hosts"));
onReset(() => refreshSoon("tiles", "containers", "jobs", "hosts", "welcome"));
document.addEventListener("fragment", (event) => event.target.dataset.fragment === "hosts" && startHostMeters());

startHostMeters();
startStarterButtons();
