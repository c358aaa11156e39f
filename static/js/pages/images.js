// Images: the list, pulls with a bar for each layer, removal.
import { settled } from "../actions.js";
import { Problem, api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, pageData, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { currentJob, jobEnd, onChange, onReset } from "../live.js";
import { showProgress } from "../progress.js";
import { startSearch } from "../search.js";
import { startStarterButtons } from "../starter.js";
import { toast } from "../toast.js";

const FRAGMENTS = ["list", "total"];
const PULLS = new Set(["image.pull", "image.starter"]);
const dialog = $("#pull-dialog");
const form = $("#pull-form");

function cardFor(job) {
  let card = $(`[data-pull="${job.id}"]`);
  if (card) return card;
  card = $("#pull-card").content.firstElementChild.cloneNode(true);
  card.dataset.pull = job.id;
  const title = $('[data-field="title"]', card);
  setText(title, job.subject);
  title.href = `/jobs/${job.id}/`;
  $("[data-pulls]").prepend(card);
  return card;
}

onChange("job", (change) => {
  const job = change.object;
  if (!job || !PULLS.has(job.kind)) return;
  const known = $(`[data-pull="${job.id}"]`);
  // What others pulled before this page was opened is in their jobs, not here.
  if (!known && !["queued", "running"].includes(job.status)) return;
  showProgress(known ?? cardFor(job), job);
  if (job.status === "succeeded") setTimeout(() => $(`[data-pull="${job.id}"]`)?.remove(), 4000);
});
onChange("image", () => refreshSoon(...FRAGMENTS));
onChange("container", (change) => change.action === "removed" && refreshSoon("list"));
onReset(async () => {
  refreshSoon(...FRAGMENTS);
  for (const card of $$("[data-pull]")) {
    const id = card.dataset.pull;
    const job = await currentJob(id, () => api("GET", `jobs/${id}/`)).catch(() => null);
    if (job) showProgress(card, job);
  }
});

async function pull(reference, host) {
  const { job } = await api("POST", "images/pull/", host ? { reference, host } : { reference });
  const card = cardFor({ id: job.id, subject: reference });
  showProgress(card, await currentJob(job.id, () => api("GET", job.url)));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  for (const place of $$("[data-problem]", form)) setText(place, "");
  form.reference.removeAttribute("aria-invalid");
  const reference = form.reference.value.trim();
  if (!reference) return problemAt({ reference: ["Name an image, such as alpine."] });
  const button = $("#pull-submit");
  button.setAttribute("aria-busy", "true");
  try {
    await pull(reference, form.elements.host?.value);
    dialog.close();
    form.reset();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    problemAt(Object.keys(problem.fields).length ? problem.fields : { "": [problem.message] });
  } finally {
    button.removeAttribute("aria-busy");
  }
});

function problemAt(fields) {
  for (const [name, texts] of Object.entries(fields)) setText($(`[data-problem="${CSS.escape(name)}"]`, form) ?? $('[data-problem=""]', form), texts.join(" "));
  if (fields.reference) {
    form.reference.setAttribute("aria-invalid", "true");
    form.reference.focus();
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button");
  const card = button?.closest("[data-pull]");
  if (card && button.matches("[data-cancel]")) {
    button.disabled = true;
    await attempt("POST", `jobs/${card.dataset.pull}/cancel/`, {});
    button.disabled = false;
  } else if (card && button.matches("[data-dismiss]")) card.remove();
  else if (card && button.matches("[data-again]")) {
    const job = await attempt("GET", `jobs/${card.dataset.pull}/`);
    if (!job) return;
    card.remove();
    await pull(job.subject, job.host.id).catch((problem) => toast(problem.message, { bad: true }));
  } else if (button?.matches("[data-image-remove]")) removeImage(button);
});

async function removeImage(button) {
  const row = button.closest("tr");
  const answer = await confirmAction({ title: `Remove ${row.dataset.name}?`, text: "The image and all its tags are deleted from its host. Containers that use it keep it from being removed.", yes: "Remove" });
  if (!answer) return;
  button.setAttribute("aria-busy", "true");
  const accepted = await attempt("DELETE", `images/${row.dataset.id}/`);
  if (accepted?.job) settled(await jobEnd(accepted.job.id, () => api("GET", accepted.job.url)), row.dataset.name);
  button.removeAttribute("aria-busy");
}

for (const job of pageData("pulls") ?? []) showProgress(cardFor(job), job);
startSearch(...FRAGMENTS);
startStarterButtons();
if (dialog.dataset.openNow !== undefined) dialog.showModal();
