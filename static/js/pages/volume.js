// One volume: its files, who has it, what it is made of. A section of the page is a tab whose panel is shown by `panels`.
import { settled } from "../actions.js";
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $ } from "../dom.js";
import { FileBrowser } from "../files/browser.js";
import { refreshSoon } from "../fragment.js";
import { jobEnd, onChange, onReset } from "../live.js";
import { startTabs } from "../tabs.js";
import { toast } from "../toast.js";
import { startCopies } from "../volumes/copies.js";
import { Sizes } from "../volumes/sizes.js";

const root = $("#volume");
const { id, name, host } = root.dataset;
const COPIES = ["snapshots", "backups"];
const FRAGMENTS = ["head", "facts", "offline", "users", "users-count", "size-facts", "details", ...COPIES];
const USERS = ["head", "facts", "users", "users-count"];

const files = new FileBrowser($("[data-files]"), {
  emptyTitle: "Nothing in here yet",
  emptyText: `Drop files here, or give the volume to a container: with ${name}:/data, what it writes below /data shows up here. An empty volume first takes what the image has at that place.`,
});
const sizes = new Sizes($("[data-size]"), id);
// By the panel's id: what is to be done each time when it is shown.
const panels = {
  "view-files": () => files.show(),
  "view-size": () => sizes.load(),
};
let removing = false;

startCopies({ id, name, fragments: COPIES });
startTabs($("[data-tabs]"), (panel) => {
  files.hide();
  panels[panel]?.();
});

onChange("volume", (change) => {
  if (String(change.object_id) !== id) return;
  if (change.action === "removed") return leave();
  if (change.object.name && change.object.name !== name) return location.reload(); // it is called otherwise now
  if (sizes.isShown) sizes.load();
  refreshSoon(...FRAGMENTS);
});
onChange("backup", (change) => {
  if (String(change.object_id) === id) refreshSoon(...COPIES);
});
onChange("container", (change) => {
  const has = change.object?.mounted?.some((mount) => mount.type === "volume" && mount.name === name);
  if (has || $(`#view-users tr[data-id="${CSS.escape(change.object_id)}"]`)) refreshSoon(...USERS);
});
onChange("host", (change) => {
  const online = change.object?.online ? "yes" : "no";
  if (change.object_id !== host || online === root.dataset.online) return;
  root.dataset.online = online;
  refreshSoon("facts", "offline");
  if (online === "yes" && !$("#view-files").hidden) files.load();
});
/** Nobody knows what was missed. */
onReset(async () => {
  try {
    await api("GET", `volumes/${id}/`);
    refreshSoon(...FRAGMENTS);
  } catch (problem) {
    if (problem.status === 404) leave();
  }
});

function leave() {
  if (!removing) toast(`${name} is removed.`);
  setTimeout(() => location.assign("/volumes/"), removing ? 0 : 1500);
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-volume-remove]")) remove();
});

async function remove() {
  const answer = await confirmAction({ title: `Remove ${$("h1", root).textContent}?`, text: `The volume ${name} and all that is in it are deleted. This can't be undone.`, yes: "Remove" });
  if (!answer) return;
  removing = true;
  const accepted = await attempt("DELETE", `volumes/${id}/`);
  removing = Boolean(accepted && settled(await jobEnd(accepted.job.id, () => api("GET", accepted.job.url)), name));
  if (removing) location.assign("/volumes/");
}
