// What a person does to containers: REST, then the job's end by the live socket, then the row follows by itself.
import { api, attempt } from "./api.js";
import { confirmAction } from "./dialog.js";
import { $ } from "./dom.js";
import { jobEnd } from "./live.js";
import { rename } from "./rename.js";
import { toast } from "./toast.js";

const VOLUMES = { one: "With its volumes that have no name", many: "With their volumes that have no name" };

const ASK = {
  kill: (name) => ({ title: `Kill ${name}?`, text: "Its processes end at once (SIGKILL), without a chance to save or finish anything.", yes: "Kill" }),
  remove: (name) => ({ title: `Remove ${name}?`, text: "The container, its log and every file that it wrote are deleted. This can't be undone.", yes: "Remove", check: "It is running: stop it first", more: VOLUMES.one }),
};

/** Send one action for a container; answers its finished job, or undefined when it was refused. */
export async function send(id, action, { stop = false, volumes = false } = {}) {
  const answer = action === "remove"
    ? await attempt("DELETE", `containers/${id}/${query({ stop, volumes })}`)
    : await attempt("POST", `containers/${id}/${action}/`, {});
  if (!answer?.job) return answer;
  return jobEnd(answer.job.id, () => api("GET", answer.job.url));
}

function query(flags) {
  const chosen = Object.keys(flags).filter((name) => flags[name]);
  return chosen.length ? `?${chosen.map((name) => `${name}=true`).join("&")}` : "";
}

/** Ask where it destroys, send, show the failure. Answers true when it was done. */
export async function act(row, action, button) {
  const name = row.dataset.name || $('[data-field="name"]', row)?.textContent || "the container";
  if (action === "rename") {
    const job = await rename(row.dataset.id, name);
    return job ? settled(job, name) : false;
  }
  let flags = {};
  if (ASK[action]) {
    const question = ASK[action](name);
    // A container that can't be running needs no tick.
    if (action === "remove" && !["running", "paused", "restarting"].includes(row.dataset.status)) question.check = null;
    const answer = await confirmAction(question);
    if (!answer) return false;
    flags = { stop: answer.checked, volumes: answer.more };
  }
  button?.setAttribute("aria-busy", "true");
  try {
    return settled(await send(row.dataset.id, action, flags), name);
  } finally {
    button?.removeAttribute("aria-busy");
  }
}

/** Show a failed job as a toast. Answers whether it went well. */
export function settled(job, name) {
  if (!job || job.status === "succeeded") return Boolean(job);
  const message = job.error?.message ?? (job.status === "cancelled" ? "Cancelled." : "It failed.");
  toast(`${name}: ${message}`, { bad: true, href: `/jobs/${job.id}/`, link: "Show the job" });
  return false;
}

/** Buttons with data-action inside anything with data-kind="container". */
export function startActions() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-action]");
    const row = button?.closest('[data-kind="container"]');
    if (!row || button.getAttribute("aria-busy") === "true") return;
    const summary = $("summary", button.closest("details.menu") ?? document.createElement("i"));
    act(row, button.dataset.action, summary ?? button);
  });
}

/** Do one action to many, all at once; one toast tells how it went. */
export async function actOnMany(rows, action) {
  const word = { start: "started", stop: "stopped", remove: "removed" }[action];
  if (action === "remove") {
    const running = rows.some((row) => ["running", "paused", "restarting"].includes(row.dataset.status));
    const answer = await confirmAction({
      title: `Remove ${rows.length} container${rows.length > 1 ? "s" : ""}?`,
      text: "The containers, their logs and every file that they wrote are deleted. This can't be undone.",
      yes: "Remove", check: running ? "Also those that are running: stop them first" : null, more: VOLUMES.many,
    });
    if (!answer) return;
    rows = rows.filter((row) => answer.checked || !["running", "paused", "restarting"].includes(row.dataset.status));
    return report(await Promise.all(rows.map((row) => send(row.dataset.id, action, { stop: answer.checked, volumes: answer.more }))), word);
  }
  return report(await Promise.all(rows.map((row) => send(row.dataset.id, action))), word);
}

function report(results, word) {
  const good = results.filter((job) => job?.status === "succeeded").length;
  const bad = results.filter((job) => job?.status === "failed");
  if (good) toast(`${good} ${word}.`);
  if (bad.length) toast(`${bad.length} could not be ${word}: ${bad[0].error?.message ?? ""}`, { bad: true, href: "/jobs/?status=failed", link: "Show failed jobs" });
}

