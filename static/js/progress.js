// A job's progress as bars: one for each layer and one for all. Many messages a second may come; each frame of
// the screen shows the last.
import { $, setText, words } from "./dom.js";
import { size } from "./format.js";
import { setStatus } from "./rows.js";

const DONE = new Set(["done", "exists", "mounted"]);
const pending = new Map();

/** Show `job` in `root` (a pull's card or a job's page) at the next frame. */
export function showProgress(root, job) {
  if (!pending.size) requestAnimationFrame(flush);
  pending.set(root, job);
}

function flush() {
  for (const [root, job] of pending) show(root, job);
  pending.clear();
}

function show(root, job) {
  root.dataset.status = job.status;
  setStatus($('[data-field="status"]', root), job.status, "job_status");
  const items = job.progress?.items ?? [];
  showLayers($("[data-layers]", root), items);
  const done = items.reduce((sum, item) => sum + (DONE.has(item.status) ? item.total_bytes : item.done_bytes), 0);
  const total = items.reduce((sum, item) => sum + item.total_bytes, 0);
  const overall = $("[data-overall]", root);
  overall.hidden = job.status !== "running" || !items.length;
  overall.max = total || 1;
  overall.value = done;
  setText($('[data-field="sum"]', root), total ? `${size(done)} of ${size(total)}` : "");
  const running = job.status === "running";
  setText($("[data-phase]", root), running ? phase(job) : job.status === "queued" ? "Waiting for the host to take it." : job.cancel_requested && job.status === "cancelled" ? CANCELLED[job.kind] ?? "Cancelled." : "");
  const error = $("[data-error]", root);
  error.hidden = !job.error;
  if (job.error) {
    const message = $("[data-error-message]", error);
    setText(message, job.error.message);
    message.classList.toggle("error-text", job.error.message.includes("\n")); // an excerpt of a file
    setText($("[data-error-advice]", error), words.advice?.[job.error.family] ?? "");
  }
}

const CANCELLED = { "image.pull": "Cancelled. What was downloaded is kept for the next try." };

function phase(job) {
  if (job.cancel_requested) return "Cancelling …";
  const text = job.progress?.phase ?? "";
  return text ? text[0].toUpperCase() + text.slice(1) : "At work";
}

function showLayers(list, items) {
  const template = document.getElementById("layer-row").content.firstElementChild;
  for (const [index, item] of items.entries()) {
    let row = list.children[index];
    if (!row) {
      row = template.cloneNode(true);
      list.append(row);
    }
    const digits = item.id.replace(/^sha256:/, "");
    const short = digits.length === 64 ? digits.slice(0, 12) : digits;
    setText($('[data-field="id"]', row), short);
    const bar = $("progress", row);
    bar.setAttribute("aria-label", `Layer ${short}`);
    bar.max = item.total_bytes || 1;
    bar.value = DONE.has(item.status) ? bar.max : item.done_bytes;
    bar.classList.toggle("done", DONE.has(item.status));
    setText($('[data-field="word"]', row), words.layer_status?.[item.status] ?? item.status);
    setText($('[data-field="bytes"]', row), item.status === "exists" || item.status === "mounted" ? "" : item.total_bytes ? `${size(item.done_bytes)} of ${size(item.total_bytes)}` : "");
  }
  while (list.children.length > items.length) list.lastElementChild.remove();
}
