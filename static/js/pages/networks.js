// Networks on all hosts: the list, making and removing them, containers that join and leave.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { pageData } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { onChange, onReset } from "../live.js";
import { busy, done, startConnect, startCreateNetwork } from "../networks/dialogs.js";
import { disconnect, remove } from "../networks/ending.js";
import { startSearch } from "../search.js";

const FRAGMENTS = ["list", "total"];
const connect = startConnect();

onChange("network", () => refreshSoon(...FRAGMENTS));
onReset(() => refreshSoon(...FRAGMENTS));

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  if (button.matches("[data-prune-networks]")) prune(button);
  const row = button.closest('tr[data-kind="network"]');
  if (!row) return;
  if (button.matches("[data-connect]")) connect(row);
  else if (button.matches("[data-disconnect]")) disconnect(button, row.dataset);
  else if (button.matches("[data-network-remove]")) remove(button, row.dataset);
});

/** On every host that is online; what would go is said first. */
async function prune(button) {
  const hosts = pageData("hosts").filter((host) => host.online);
  const found = [];
  for (const host of hosts) {
    const answer = await attempt("POST", "networks/prune/", { host: host.id, dry_run: true });
    if (answer?.networks.length) found.push({ host, names: answer.networks.map((one) => one.name) });
  }
  const names = found.flatMap((one) => one.names);
  const text = names.length ? `No container is on ${names.slice(0, 10).join(", ")}${names.length > 10 ? ` and ${names.length - 10} more` : ""}.` : "A container is on each of them.";
  const answer = await confirmAction({ title: names.length ? "Remove unused networks?" : "No network is unused", text, yes: names.length ? "Remove" : "Good" });
  if (!answer) return;
  await busy(button, () => Promise.all(found.map(async ({ host }) => done(await attempt("POST", "networks/prune/", { host: host.id }), host.name))));
}

startSearch(...FRAGMENTS);
startCreateNetwork();
