// Images on all hosts: the list, what they take, pulls with a bar for each layer, loading, cleaning up.
import { settled } from "../actions.js";
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, pageData } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { showJob, startJobCards } from "../images/jobs.js";
import { showProblems, submitting } from "../images/form.js";
import { startLoad } from "../images/load.js";
import { lookUp } from "../images/lookup.js";
import { startPruneImages } from "../images/prune.js";
import { startTagOffers } from "../images/tags.js";
import { fillRows, measureSoon } from "../images/usage.js";
import { jobEnd, onChange, onReset } from "../live.js";
import { startSearch } from "../search.js";
import { startStarterButtons } from "../starter.js";
import { toast } from "../toast.js";

const FRAGMENTS = ["list", "total"];
const dialog = $("#pull-dialog"); // only for who may pull
const form = $("#pull-form");

onChange("image", () => {
  refreshSoon(...FRAGMENTS);
  measureSoon();
});
onChange("container", (change) => change.action === "removed" && refreshSoon("list"));
onReset(() => {
  refreshSoon(...FRAGMENTS);
  measureSoon();
});
document.addEventListener("fragment", fillRows);

async function pull(reference, host) {
  await showJob(await api("POST", "images/pull/", host ? { reference, host } : { reference }), reference, "image.pull");
}

startJobCards({
  again: (job) => (job.kind === "image.pull" ? pull(job.subject, job.host.id) : Promise.resolve(location.assign(`/jobs/${job.id}/`))).catch((problem) => toast(problem.message, { bad: true })),
});

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const reference = form.reference.value.trim();
  if (!reference) return showProblems(form, { reference: ["Name an image, such as alpine."] });
  const done = await submitting(form, $("#pull-submit"), () => pull(reference, form.elements.host?.value).then(() => true));
  if (!done) return;
  dialog.close();
  form.reset();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  const summary = () => $("summary", button.closest("details.menu")) ?? button;
  if (button.matches("[data-image-remove]")) removeImage(button);
  else if (button.matches("[data-lookup]")) lookUp(null, summary());
  else if (button.matches("[data-verify]")) verify();
});

async function removeImage(button) {
  const row = button.closest("tr");
  const places = row.dataset.places.trim().split(" ");
  const where = places.length > 1 ? `its ${places.length} hosts` : "its host";
  const answer = await confirmAction({ title: `Remove ${row.dataset.name}?`, text: `The image and all its tags are deleted from ${where}. A container that uses it keeps its files.`, yes: "Remove", check: "Take its names even if a container uses it" });
  if (!answer) return;
  button.setAttribute("aria-busy", "true");
  const query = answer.checked ? "?force=true" : "";
  await Promise.all(places.map(async (id) => {
    const accepted = await attempt("DELETE", `images/${id}/${query}`);
    if (accepted?.job) settled(await jobEnd(accepted.job.id, () => api("GET", accepted.job.url)), row.dataset.name);
  }));
  button.removeAttribute("aria-busy");
}

/** Every host that is online checks what it has, and fetches again what is damaged. */
async function verify() {
  const hosts = pageData("hosts").filter((host) => host.online);
  const answer = await confirmAction({ title: "Check what is on disk?", text: "Every blob is read and compared with its digest, which takes a while; nothing stands still meanwhile.", yes: "Check", check: "Fetch again what is damaged" });
  if (!answer) return;
  for (const host of hosts) {
    const accepted = await attempt("POST", "images/fsck/", { host: host.id, repair: answer.checked });
    if (!accepted) continue;
    await showJob(accepted, host.name, "image.fsck");
    jobEnd(accepted.job.id, () => api("GET", accepted.job.url)).then((job) => report(job, host.name));
  }
}

function report(job, host) {
  if (job.status !== "succeeded") return;
  const { checked_blobs: blobs, checked_layers: layers, damaged, unrepaired } = job.result;
  const text = damaged.length ? `${damaged.length} damaged${unrepaired.length ? `, ${unrepaired.length} of them could not be fetched again` : ", all fetched again"}` : "all is well";
  toast(`${host}: ${blobs} blobs and ${layers} layers checked, ${text}.`, damaged.length ? { bad: true, href: `/jobs/${job.id}/`, link: "Show the job" } : {});
}

startSearch(...FRAGMENTS);
startStarterButtons();
startLoad();
startPruneImages();
if (form) startTagOffers(form.reference, $("#reference-tags"), () => form.elements.host);
measureSoon();
if (dialog?.dataset.openNow !== undefined) dialog.showModal();
