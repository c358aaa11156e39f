// The dialog that removes what is unused: every change of a wish shows at once what would go.
import { settled } from "./actions.js";
import { Problem, api } from "./api.js";
import { $, el, setText } from "./dom.js";
import { submitting } from "./images/form.js";
import { jobEnd } from "./live.js";
import { toast } from "./toast.js";

const PAUSE_MS = 250;
const DAY = 86400;

/**
 * `opener` opens it; `path` is REST's, asked with dry_run first. `found(answer)` tells {sum, rows: [[text, more]…]} of
 * what would go, `done(result)` what went, `title` names the job.
 */
export function startPruneDialog({ opener, path, title, found, done }) {
  const dialog = $("#prune-dialog");
  const button = $(opener);
  if (!dialog || !button) return;
  const form = $("form", dialog);
  const go = $("[data-prune-go]", dialog);
  let timer = 0;
  let latest = 0;

  async function rehearse() {
    const mine = ++latest;
    go.disabled = true;
    setText($("[data-prune-sum]", dialog), "Looking …");
    setText($('[data-problem=""]', dialog), "");
    try {
      const answer = await api("POST", path, { ...wishes(form), dry_run: true });
      if (mine === latest) show(found(answer));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine !== latest) return;
      show({ sum: "", rows: [] });
      setText($('[data-problem=""]', dialog), problem.message);
    }
  }

  function show({ sum, rows }) {
    setText($("[data-prune-sum]", dialog), sum);
    $("[data-prune-list]", dialog).replaceChildren(...rows.map(([text, more]) => el("li", {},
      el("span", { class: "truncate" }, text), more === undefined ? null : el("span", { class: "numeric faint" }, more))));
    setText($("[data-prune-word]", dialog), rows.length ? `Remove ${rows.length}` : "Remove");
    go.disabled = !rows.length;
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
    const answer = await submitting(form, go, () => api("POST", path, wishes(form)));
    if (!answer) return;
    go.setAttribute("aria-busy", "true");
    const job = await jobEnd(answer.job.id, () => api("GET", answer.job.url));
    go.removeAttribute("aria-busy");
    dialog.close();
    if (settled(job, title)) toast(done(job.result ?? {}));
  });
}

/** What the form's fields say, as REST takes it; `age` in days is there where things have one. */
function wishes(form) {
  const { host, all, age, label } = form.elements;
  const body = { all: all.value === "all" };
  if (host) body.host = host.value;
  if (age?.value) body.until = Math.floor(Date.now() / 1000) - Number(age.value) * DAY;
  if (label.value.trim()) body.labels = [label.value.trim()];
  return body;
}
