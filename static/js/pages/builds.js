// All builds, live; clearing what they leave for later ones.
import { settled } from "../actions.js";
import { api } from "../api.js";
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { submitting } from "../images/form.js";
import { jobEnd, onChange, onReset } from "../live.js";
import { startSearch } from "../search.js";
import { toast } from "../toast.js";
import { size } from "../format.js";

const FRAGMENTS = ["list", "total"];
onChange("build", () => refreshSoon(...FRAGMENTS));
onChange("job", (change) => change.object?.kind === "image.build" && refreshSoon("list"));
onReset(() => refreshSoon(...FRAGMENTS));
startSearch(...FRAGMENTS);

const dialog = $("#prune-cache-dialog");
if (dialog) {
  $("[data-prune-cache]").addEventListener("click", () => dialog.showModal());
  const form = $("form", dialog);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { host, unused } = form.elements;
    const accepted = await submitting(form, $(".button-danger", form), () =>
      api("POST", "builds/prune/", { host: host.value, unused_seconds: Number(unused.value) }));
    if (!accepted) return;
    dialog.close();
    const job = await jobEnd(accepted.job.id, () => api("GET", accepted.job.url));
    if (settled(job, "The cache")) toast(`${size(job.result.reclaimed_bytes ?? 0)} are free again.`);
  });
}
