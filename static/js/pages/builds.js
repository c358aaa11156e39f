// All builds, live; clearing what they leave for later ones.
import { settled } from "../actions.js";
import { api } from "../api.js";
import { $, setText } from "../dom.js";
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
  const form = $("form", dialog);
  $("[data-prune-cache]").addEventListener("click", () => {
    dialog.showModal();
    measure(form);
  });
  form.elements.host.addEventListener("change", () => measure(form));
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

/** What there is to clear on the chosen host. */
async function measure(form) {
  const line = $("[data-cache-usage]", dialog);
  const host = form.elements.host.value;
  setText(line, "Asking the host …");
  const found = await api("GET", `builds/cache/?host=${host}`).catch((problem) => ({ problem }));
  if (form.elements.host.value !== host) return;
  setText(line, found.problem ? found.problem.message : `${found.steps} step${found.steps === 1 ? "" : "s"}, of which ${size(found.layers_bytes)} are in no image, and ${found.mounts.length} cache mount${found.mounts.length === 1 ? "" : "s"} of ${size(found.mounts_bytes)}.`);
}
