// Removing volumes that nobody has: every change of a wish shows at once what would go.
import { settled } from "../actions.js";
import { Problem, api } from "../api.js";
import { $, el, setText } from "../dom.js";
import { size } from "../format.js";
import { submitting } from "../images/form.js";
import { jobEnd } from "../live.js";
import { toast } from "../toast.js";

const PAUSE_MS = 250;

export function startPruneVolumes() {
  const dialog = $("#prune-dialog");
  const button = $("[data-prune-volumes]");
  if (!dialog || !button) return;
  const form = $("form", dialog);
  const go = $("[data-prune-go]", dialog);
  let timer = 0;
  let latest = 0;

  function wishes() {
    const { host, all, label } = form.elements;
    const found = { all: all.value === "all" };
    if (host) found.host = host.value;
    if (label.value.trim()) found.labels = [label.value.trim()];
    return found;
  }

  async function rehearse() {
    const mine = ++latest;
    go.disabled = true;
    setText($('[data-problem=""]', dialog), "");
    try {
      const found = await api("POST", "volumes/prune/", { ...wishes(), dry_run: true });
      if (mine === latest) show(found.volumes);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== latest) return;
      show([]);
      setText($("[data-prune-sum]", dialog), "");
      setText($('[data-problem=""]', dialog), problem.message);
    }
  }

  function show(volumes) {
    const count = volumes.length;
    setText($("[data-prune-sum]", dialog), count ? `${count} volume${count > 1 ? "s" : ""} would go.` : "Nothing would go: a container has every volume of this kind.");
    $("[data-prune-list]", dialog).replaceChildren(...volumes.map((volume) => el("li", {}, el("span", { class: "truncate" }, volume.name))));
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
    const answer = await submitting(form, go, () => api("POST", "volumes/prune/", wishes()));
    if (!answer) return;
    go.setAttribute("aria-busy", "true");
    const job = await jobEnd(answer.job.id, () => api("GET", answer.job.url));
    go.removeAttribute("aria-busy");
    dialog.close();
    if (settled(job, "Remove unused volumes")) toast(`${job.result?.removed?.length ?? 0} removed, ${size(job.result?.reclaimed_bytes ?? 0)} free again.`);
  });
}
