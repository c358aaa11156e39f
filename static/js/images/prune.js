// Removing unused images: every change of a wish shows at once what would go, and how much that frees.
import { settled } from "../actions.js";
import { Problem, api } from "../api.js";
import { $, el, setText } from "../dom.js";
import { size } from "../format.js";
import { jobEnd } from "../live.js";
import { toast } from "../toast.js";
import { submitting } from "./form.js";

const PAUSE_MS = 250;
const DAY = 86400;

export function startPruneImages() {
  const dialog = $("#prune-dialog");
  const button = $("[data-prune-images]");
  if (!dialog || !button) return;
  const form = $("form", dialog);
  const go = $("[data-prune-go]", dialog);
  let timer = 0;
  let latest = 0;

  function wishes() {
    const { host, all, age, label } = form.elements;
    const found = { all: all.value === "all" };
    if (host) found.host = host.value;
    if (age.value) found.until = Math.floor(Date.now() / 1000) - Number(age.value) * DAY;
    if (label.value.trim()) found.labels = [label.value.trim()];
    return found;
  }

  async function rehearse() {
    const mine = ++latest;
    go.disabled = true;
    setText($("[data-prune-sum]", dialog), "Looking …");
    setText($('[data-problem=""]', dialog), "");
    try {
      const found = await api("POST", "images/prune/", { ...wishes(), dry_run: true });
      if (mine === latest) show(found);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== latest) return;
      setText($("[data-prune-sum]", dialog), "");
      $("[data-prune-list]", dialog).replaceChildren();
      setText($('[data-problem=""]', dialog), problem.message);
    }
  }

  function show({ images, reclaimed_bytes: bytes }) {
    const count = images.length;
    setText($("[data-prune-sum]", dialog), count ? `${count} image${count > 1 ? "s" : ""} would go, and at least ${size(bytes)} be free again.` : "Nothing would go: every image of this kind is used.");
    $("[data-prune-list]", dialog).replaceChildren(...images.map((image) => el("li", {},
      el("span", { class: "truncate" }, image.tags.length ? image.tags.join(", ") : image.id.slice(7, 19)),
      el("span", { class: "numeric faint" }, size(image.size_bytes)))));
    setText($("[data-prune-word]", dialog), count ? `Remove ${count}` : "Remove");
    go.disabled = !count;
  }

  button.addEventListener("click", () => {
    dialog.showModal();
    rehearse();
  });
  form.addEventListener("input", () => {
    clearTimeout(timer);
    go.disabled = true;
    timer = setTimeout(rehearse, PAUSE_MS);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.disabled) return;
    const answer = await submitting(form, go, () => api("POST", "images/prune/", wishes()));
    if (!answer) return;
    go.setAttribute("aria-busy", "true");
    const job = await jobEnd(answer.job.id, () => api("GET", answer.job.url));
    go.removeAttribute("aria-busy");
    dialog.close();
    const result = job.result ?? {};
    if (settled(job, "Remove unused images")) toast(`${result.deleted?.length ?? 0} removed, ${size(result.reclaimed_bytes ?? 0)} free again.`);
  });
}
