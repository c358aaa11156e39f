// One job, live until its end.
import { api, attempt } from "../api.js";
import { $, pageData } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { currentJob, onChange, onReset } from "../live.js";
import { showProgress } from "../progress.js";

const root = $("#job");
const id = root.dataset.job;

function show(job) {
  const isNews = job.status !== root.dataset.status;
  showProgress(root, job);
  if (job.cancel_requested) $("[data-cancel]", root).disabled = true;
  if (isNews) refreshSoon("facts");
}

onChange("job", (change) => change.object_id === id && change.object && show(change.object));
onReset(async () => show(await currentJob(id, () => api("GET", `jobs/${id}/`))));
$("[data-cancel]", root).addEventListener("click", async (event) => {
  event.currentTarget.disabled = true;
  if (!(await attempt("POST", `jobs/${id}/cancel/`, {}))) $("[data-cancel]", root).disabled = false;
});
showProgress(root, pageData("job-data"));
