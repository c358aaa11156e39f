// One job, live until its end.
import { api, attempt } from "../api.js";
import { $, pageData } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { currentJob, onChange, onReset } from "../live.js";
import { showProgress } from "../progress.js";

const root = $("#job");
const id = root.dataset.job;
const cancel = $("[data-cancel]", root); // only for who may

function show(job) {
  const isNews = job.status !== root.dataset.status;
  showProgress(root, job);
  if (job.cancel_requested && cancel) cancel.disabled = true;
  if (isNews) refreshSoon("facts");
}

onChange("job", (change) => change.object_id === id && change.object && show(change.object));
let wasOnline;
onChange("host", ({ object_id: host, object }) => {
  if (host !== root.dataset.host || !object || object.online === wasOnline) return;
  wasOnline = object.online;
  refreshSoon("facts");
});
onReset(async () => show(await currentJob(id, () => api("GET", `jobs/${id}/`))));
cancel?.addEventListener("click", async (event) => {
  event.currentTarget.disabled = true;
  if (!(await attempt("POST", `jobs/${id}/cancel/`, {}))) cancel.disabled = false;
});
showProgress(root, pageData("job-data"));
