// One image: its layers and their files, its names, where it goes.
import { settled } from "../actions.js";
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, setText } from "../dom.js";
import { size } from "../format.js";
import { refreshSoon } from "../fragment.js";
import { Attached } from "../images/attached.js";
import { showProblems, submitting } from "../images/form.js";
import { showJob, startJobCards } from "../images/jobs.js";
import { Layers } from "../images/layers.js";
import { lookUp } from "../images/lookup.js";
import { Waste } from "../images/waste.js";
import { jobEnd, onChange, onReset } from "../live.js";
import { startTabs } from "../tabs.js";
import { toast } from "../toast.js";

const root = $("#image");
const { id, image: imageId, host, hostName, name } = root.dataset;
const FRAGMENTS = ["head", "facts", "news", "config", "users"];
const layers = new Layers($("#view-layers"), id);
const waste = new Waste($("#view-waste"), id);
const attached = new Attached($("#view-attached"), id);
const familiar = () => $("h1", root).textContent;

startTabs($("[data-tabs]"), (panel) => {
  if (panel === "view-layers") layers.load();
  if (panel === "view-waste") waste.load();
  if (panel === "view-attached") attached.load();
});

onChange("image", (change) => {
  if (String(change.object_id) !== id && change.object?.image_id !== imageId) return;
  if (change.action === "removed" && String(change.object_id) === id) location.assign("/images/");
  else refreshSoon(...FRAGMENTS);
});
const uses = (container) => container?.image_id === imageId || container?.mounted?.some((mount) => mount.source === imageId);
onChange("container", (change) => (change.action === "removed" || uses(change.object)) && refreshSoon("users"));
onReset(() => refreshSoon(...FRAGMENTS));
document.addEventListener("fragment", showOwn);
startJobCards({
  again: async (job) => (job.kind === "image.push" ? push({ reference: job.subject }) : pull(job.subject)),
  isOurs: (job) => job.host.id === host && job.subject === familiar(),
});

/** What of its size no other image on its host has. */
let usage = null;
async function measure() {
  if (root.dataset.online !== "yes") return;
  const found = await api("GET", `hosts/${host}/disk-usage/`).catch(() => null);
  usage = found?.images.find((one) => one.id === imageId) ?? null;
  showOwn();
}

function showOwn() {
  if (usage) setText($("[data-own]", root), !usage.shared_bytes ? "shares nothing with others" : usage.unique_bytes ? `${size(usage.unique_bytes)} its own, ${size(usage.shared_bytes)} shared` : "all of it shared with others");
}

async function ended(accepted, what) {
  const job = await jobEnd(accepted.job.id, () => api("GET", accepted.job.url));
  return settled(job, what) ? job : null;
}

async function pull(reference) {
  const accepted = await attempt("POST", "images/pull/", { reference, host });
  if (!accepted) return;
  await showJob(accepted, reference, "image.pull");
  const job = await ended(accepted, reference);
  if (!job) return;
  const hex = job.result.image_id.replace("sha256:", "");
  if (hex === root.dataset.hex) toast(`${reference} is as new as its registry's.`);
  else toast(`A newer ${reference} is here.`, { href: `/images/${hex}/`, link: "Show it" });
}

async function push(body) {
  const accepted = await api("POST", `images/${id}/push/`, body);
  const reference = body.reference || familiar();
  await showJob(accepted, reference, "image.push");
  ended(accepted, reference).then((job) => {
    if (!job) return;
    const { uploaded, existed, mounted } = job.result;
    toast(`${reference} pushed: ${uploaded} blob${uploaded === 1 ? "" : "s"} sent, ${existed + mounted} were there.`);
  });
}

$("[data-push-form]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const reference = form.elements.reference.value.trim();
  if (!reference) return showProblems(form, { reference: ["Say where to, such as registry.example.com/team/app:1.0."] });
  const done = await submitting(form, $("[data-submit]", form), () => push({ reference, all_platforms: form.elements.all_platforms.checked }).then(() => true));
  if (done) form.closest("dialog").close();
});

$("[data-tag-form]")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const reference = form.elements.reference.value.trim();
  if (!reference) return showProblems(form, { reference: ["Give a name, such as team/app:1.0."] });
  const button = $("[data-submit]", form);
  const accepted = await submitting(form, button, () => api("POST", `images/${id}/tag/`, { reference }));
  if (!accepted) return;
  button.setAttribute("aria-busy", "true");
  const job = await ended(accepted, reference);
  button.removeAttribute("aria-busy");
  if (!job) return;
  form.reset();
  form.closest("dialog").close();
  toast(`It is called ${reference} as well now.`);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  if (button.matches("[data-pull-tag]")) pull(button.dataset.pullTag);
  else if (button.matches("[data-pull-again]")) pull(familiar());
  else if (button.matches("[data-lookup]")) lookUp([Number(id)], $("summary", button.closest("details.menu")));
  else if (button.matches("[data-untag]")) untag(button);
  else if (button.matches("[data-remove]")) remove();
});

async function untag(button) {
  const reference = button.dataset.untag;
  const answer = await confirmAction({ title: `Untag ${reference.replace(/^docker\.io\/(library\/)?/, "")}?`, text: `The name is taken from the image on ${hostName}. With its last name an unused image is removed.`, yes: "Untag" });
  if (!answer) return;
  button.setAttribute("aria-busy", "true");
  const accepted = await attempt("POST", `images/${id}/untag/`, { reference });
  if (accepted) await ended(accepted, reference);
  button.removeAttribute("aria-busy");
}

async function remove() {
  const answer = await confirmAction({ title: `Remove ${name}?`, text: `The image and all its tags are deleted from ${hostName}. A container that uses it keeps its files.`, yes: "Remove", check: "Take its names even if a container uses it" });
  if (!answer) return;
  const accepted = await attempt("DELETE", `images/${id}/${answer.checked ? "?force=true" : ""}`);
  if (accepted) await ended(accepted, name);
}

measure();
