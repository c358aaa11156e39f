// Volumes on all hosts: the list, making one, removing one, removing those that nobody has.
import { settled } from "../actions.js";
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { jobEnd, onChange, onReset } from "../live.js";
import { startSearch } from "../search.js";
import { startCreateVolume } from "../volumes/create.js";
import { startPruneVolumes } from "../volumes/prune.js";

const FRAGMENTS = ["list", "filters"];

onChange("volume", () => refreshSoon(...FRAGMENTS));
onChange("container", () => refreshSoon("list")); // containers say which volumes they have
onReset(() => refreshSoon(...FRAGMENTS));

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-volume-remove]");
  if (button && button.getAttribute("aria-busy") !== "true") remove(button);
});

async function remove(button) {
  const row = button.closest("tr");
  const { id, name } = row.dataset;
  const answer = await confirmAction({ title: `Remove ${$(".name", row).textContent}?`, text: `The volume ${name} and all that is in it are deleted. This can't be undone.`, yes: "Remove" });
  if (!answer) return;
  button.setAttribute("aria-busy", "true");
  const accepted = await attempt("DELETE", `volumes/${id}/`);
  if (accepted?.job) settled(await jobEnd(accepted.job.id, () => api("GET", accepted.job.url)), name);
  button.removeAttribute("aria-busy");
}

startSearch(...FRAGMENTS);
startCreateVolume();
startPruneVolumes();
