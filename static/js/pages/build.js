// One build: its steps as they come, what they print, how it ends.
import { api, attempt } from "../api.js";
import { Graph, fillSlowest, nameOf } from "../builds/graph.js";
import { BuildRecord, ENDED } from "../builds/record.js";
import { confirmAction } from "../dialog.js";
import { $, $$, el, pageData, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { pieces, plain } from "../log/ansi.js";
import { jobEnd, onChange, onReset } from "../live.js";
import { setStatus } from "../rows.js";
import { ReturningSocket } from "../socket.js";
import { toast } from "../toast.js";

const root = $("#build");
const id = root.dataset.id;
const record = new BuildRecord(pageData("steps-data"));
const log = $("[data-log]", root);
const follow = $("[data-follow]", root);
let cursor = 0;
let chosen = null; // the step that a person wants to see; null: whatever is interesting now
let shown = null;
let printed = 0;
let due = false;
let view = "graph";

const graph = new Graph($("[data-graph]", root), choose);

const socket = new ReturningSocket(`/ws/builds/${id}/`, {
  parameters: () => ({ cursor }),
  onMessage(message) {
    if (message.type === "record") {
      for (const line of message.lines) {
        if (line.type === "again") graph.clear();
        record.take(line);
      }
      cursor = message.cursor;
      showSoon();
    } else if (message.type === "end") {
      socket.close();
    } else if (message.type === "error" && message.error.family === "not_found") {
      socket.close();
      if (!record.logs.size) setText(log, "The host has not kept what this build has printed.");
    }
  },
});

function showSoon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    show();
  });
}

function show() {
  const steps = record.list();
  $("[data-waiting]", root).hidden = steps.length > 0;
  setText($("[data-waiting] p", root), isOver() ? "It ended before there were any steps." : "The steps are drawn here as soon as the host has read the Dockerfile.");
  $("[data-graph]", root).hidden = !steps.length || view !== "graph";
  $("[data-slowest]", root).hidden = !steps.length || view !== "slowest";
  graph.show(steps);
  if (view === "slowest") fillSlowest($("[data-slowest]", root), steps, choose);
  const bar = $("[data-bar]", root);
  bar.max = steps.length || 1;
  bar.value = steps.filter((step) => ENDED.has(step.state)).length;
  bar.hidden = isOver();
  setText($('[data-field="summary"]', root), summary(steps));
  showLog();
}

function isOver() {
  return !["queued", "running"].includes(root.dataset.status);
}

function summary(steps) {
  if (!steps.length) return "";
  const parts = [`${steps.length} step${steps.length > 1 ? "s" : ""}`];
  for (const [word, states] of [["cached", ["cached"]], ["done", ["done"]], ["at work", ["running"]], ["failed", ["failed"]]]) {
    const count = record.count(...states);
    if (count) parts.push(`${count} ${word}`);
  }
  return parts.join(" · ");
}

function choose(step) {
  chosen = step;
  follow.setAttribute("aria-pressed", "false");
  showLog();
  log.scrollTop = log.scrollHeight;
}

function showLog() {
  const step = chosen ? record.steps.get(chosen) : record.current();
  if (!step) return;
  graph.mark(step.id);
  setText($('[data-field="log-title"]', root), nameOf(step));
  const text = record.logs.get(step.id) ?? "";
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const ready = ENDED.has(step.state) ? text.length : text.lastIndexOf("\n") + 1; // a line is drawn when it is whole
  if (shown !== step.id || ready < printed) {
    log.replaceChildren();
    printed = 0;
  }
  shown = step.id;
  if (!text) setText(log, step.state === "cached" ? "This step was taken from the cache: nothing ran." : ENDED.has(step.state) ? "It has printed nothing." : "It has printed nothing yet.");
  else if (ready > printed) {
    if (!printed) log.replaceChildren();
    log.append(...rendered(text.slice(printed, ready)));
    printed = ready;
  }
  if (atEnd || follow.getAttribute("aria-pressed") === "true") log.scrollTop = log.scrollHeight;
}

function rendered(text) {
  return text.split(/(?<=\n)/).flatMap((line) => pieces(line.replace(/\r?\n$/, "")).map(({ text: part, classes, colour, ground }) => {
    if (!classes.length && !colour && !ground) return part;
    const mark = el("span", { class: classes.join(" ") }, part);
    Object.assign(mark.style, { color: colour ?? "", backgroundColor: ground ?? "" });
    return mark;
  }).concat(line.endsWith("\n") ? ["\n"] : []));
}

follow.addEventListener("click", () => {
  chosen = null;
  follow.setAttribute("aria-pressed", "true");
  showLog();
});
for (const link of $$("[data-view]", root)) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    view = link.dataset.view;
    for (const other of $$("[data-view]", root)) other.toggleAttribute("aria-current", other === link);
    show();
  });
}
$("[data-save-log]", root).addEventListener("click", () => {
  const all = record.list().map((step) => `# ${step.name}\n${(record.logs.get(step.id) ?? "").split("\n").map(plain).join("\n")}`).join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([all], { type: "text/plain" }));
  link.download = `build-${id.slice(0, 12)}.log`;
  link.click();
  URL.revokeObjectURL(link.href);
});
const cancel = $("[data-cancel]", root); // only for who may
cancel?.addEventListener("click", async (event) => {
  event.currentTarget.disabled = true;
  if (!(await attempt("POST", `jobs/${root.dataset.job}/cancel/`, {}))) cancel.disabled = false;
});
$("[data-forget]", root)?.addEventListener("click", async () => {
  const sure = await confirmAction({ title: "Forget this build?", text: "What it printed and the folder that was sent for it go. The image stays.", yes: "Forget" });
  if (!sure) return;
  if ((await attempt("DELETE", `builds/${id}/`)) !== undefined) location.assign("/builds/");
});
root.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-shell]");
  if (!button || button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  const made = await attempt("POST", `builds/${id}/shell/`, {});
  const job = made && (await jobEnd(made.job.id, () => api("GET", made.job.url)));
  button.removeAttribute("aria-busy");
  if (job?.status === "succeeded") location.assign(`/containers/${made.container.id}/#terminal`);
  else if (job) toast(job.error?.message ?? "It was cancelled.", { bad: true });
});
root.addEventListener("change", (event) => {
  if (event.target.matches("[data-compare]") && event.target.value) location.assign(`/builds/${id}/compare/${event.target.value}/`);
});

function take(build) {
  const isNews = build.status !== root.dataset.status;
  root.dataset.status = build.status;
  setStatus($('[data-field="status"]', root), build.status, "job_status");
  if (build.cancel_requested && cancel) cancel.disabled = true;
  if (isNews) {
    refreshSoon("headline", "error", "facts");
    if (build.status === "succeeded") toast(`${build.name} is built.`);
    showSoon();
  }
}

onChange("build", (change) => {
  if (change.object_id !== id) return;
  if (change.action === "removed") location.assign("/builds/");
  else take(change.object);
});
onChange("job", (change) => {
  if (change.object_id !== root.dataset.job || !change.object) return;
  take({ ...pageData("build-data"), status: change.object.status, cancel_requested: change.object.cancel_requested });
});
onReset(async () => take(await api("GET", `builds/${id}/`)));
setInterval(() => graph.tick(record.list()), 1000);
show();
socket.open();
