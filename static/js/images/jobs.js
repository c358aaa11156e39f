// Cards of jobs with progress: pulls, pushes and their like, with a bar for each layer, cancel and another try.
import { api, attempt } from "../api.js";
import { $, $$, pageData, setText } from "../dom.js";
import { currentJob, onChange, onReset } from "../live.js";
import { showProgress } from "../progress.js";

const KINDS = new Set(["image.pull", "image.push", "image.starter", "image.fsck"]);
const WORDS = { "image.push": "Push ", "image.fsck": "Check " };
const SHOWN_MS = 4000;

/** `again(job)` asks for what failed once more; `isOurs(job)` tells whether a job that others began belongs here. */
export function startJobCards({ again, isOurs = () => true }) {
  onChange("job", (change) => {
    const job = change.object;
    if (!job || !KINDS.has(job.kind)) return;
    const known = $(`[data-pull="${job.id}"]`);
    // What others asked for before this page was opened is in their jobs, not here.
    if (!known && (!["queued", "running"].includes(job.status) || !isOurs(job))) return;
    showProgress(known ?? cardFor(job), job);
    if (job.status === "succeeded") setTimeout(() => $(`[data-pull="${job.id}"]`)?.remove(), SHOWN_MS);
  });
  onReset(async () => {
    for (const card of $$("[data-pull]")) {
      const id = card.dataset.pull;
      const job = await currentJob(id, () => api("GET", `jobs/${id}/`)).catch(() => null);
      if (job) showProgress(card, job);
    }
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button");
    const card = button?.closest("[data-pull]");
    if (!card) return;
    if (button.matches("[data-cancel]")) {
      button.disabled = true;
      await attempt("POST", `jobs/${card.dataset.pull}/cancel/`, {});
      button.disabled = false;
    } else if (button.matches("[data-dismiss]")) card.remove();
    else if (button.matches("[data-again]")) {
      const job = await attempt("GET", `jobs/${card.dataset.pull}/`);
      if (!job) return;
      card.remove();
      await again(job);
    }
  });
  for (const job of pageData("pulls") ?? []) showProgress(cardFor(job), job);
}

/** The card of a job, made if there is none. */
export function cardFor(job) {
  let card = $(`[data-pull="${job.id}"]`);
  if (card) return card;
  card = $("#pull-card").content.firstElementChild.cloneNode(true);
  card.dataset.pull = job.id;
  const title = $('[data-field="title"]', card);
  setText(title, (WORDS[job.kind] ?? "") + job.subject);
  title.href = `/jobs/${job.id}/`;
  $("[data-pulls]").prepend(card);
  return card;
}

/** Show the job that a request has just begun. */
export async function showJob({ job }, subject, kind) {
  const card = cardFor({ id: job.id, subject, kind });
  showProgress(card, await currentJob(job.id, () => api("GET", job.url)));
}
