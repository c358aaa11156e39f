// One container: its state, its log, its plots.
import { settled } from "../actions.js";
import { api } from "../api.js";
import { ChangedFiles } from "../changed_files.js";
import { CommitDialog } from "../commit.js";
import { Copying } from "../copying.js";
import { $, pageData, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { LimitsDialog } from "../limits.js";
import { jobEnd, onChange, onReset } from "../live.js";
import { LogViewer } from "../log/viewer.js";
import { startNetworks } from "../networks/joining.js";
import { Plots } from "../plots.js";
import { ProcessTable } from "../processes.js";
import { showProgress } from "../progress.js";
import { recreate } from "../recreate.js";
import { fillHealth, setStatus, stateOf } from "../rows.js";
import { startTabs } from "../tabs.js";
import { toast } from "../toast.js";

const ALIVE = new Set(["running", "restarting", "paused"]);
const AT_WORK = new Set(["queued", "running"]);
const root = $("#container");
const id = root.dataset.id;
const log = $("#log") && new LogViewer($("#log"), id); // not for who may not read it
const plots = new Plots(root, id);
const processes = new ProcessTable($("#processes"), id);
const files = new ChangedFiles($("#files"), id);
if ($("#copying")) new Copying($("#copying"), id, () => files.load());
let terminals = null;
let wantsTerminals = false;
let replacing = null;

/** xterm.js is fetched when somebody wants a terminal. */
async function showTerminals() {
  wantsTerminals = true;
  if (!terminals) {
    const { TerminalPanel } = await import("../terminal/panel.js");
    terminals ??= new TerminalPanel($("#terminals"), id);
    terminals.setRunning(root.dataset.status === "running");
  }
  if (wantsTerminals) terminals.show(root.dataset.status === "running");
}

startTabs($("[data-tabs]"), (view) => {
  wantsTerminals = false;
  processes.show(view === "view-processes");
  if (view === "view-files") files.load();
  if (view === "view-terminal") showTerminals();
});

const limits = $("#limits-dialog") && new LimitsDialog($("#limits-dialog"), id);
const commit = $("#commit-dialog") && new CommitDialog($("#commit-dialog"), id);
root.addEventListener("click", (event) => {
  if (event.target.closest("[data-limits]")) limits.open();
  if (event.target.closest("[data-commit]")) commit.open();
  const again = event.target.closest("[data-recreate]");
  if (again) recreate({ id, name: root.dataset.name, pullable: !("unpullable" in root.dataset) }, again.closest("details.menu")?.querySelector("summary") ?? again, again.dataset.recreate);
});

startNetworks(root);

function setRunning(state) {
  terminals?.setRunning(state === "running");
  processes.setRunning(state === "running" || state === "paused");
  log?.setRunning(ALIVE.has(state));
  plots.setRunning(ALIVE.has(state));
}

function show(container) {
  const state = stateOf(container);
  root.dataset.status = state;
  setName(container.name);
  setStatus($('[data-field="status"]', root), state, "container_status");
  showLeaving(container.desired_status === "removed");
  fillHealth($('[data-field="health"]', root), container.health);
  setRunning(state);
  if (ALIVE.has(state)) log?.open();
  refreshSoon("headline", "health", "networks", "details");
}

function setName(name) {
  if (root.dataset.name === name) return;
  document.title = document.title.replace(root.dataset.name, () => name);
  root.dataset.name = name;
  setText($('[data-field="name"]', root), name);
}

onChange("container", (change) => {
  if (change.object_id !== id) return;
  if (change.action === "removed") leave();
  else show(change.object);
});

onChange("health", (change) => change.object_id === id && refreshSoon("health"));

function showLeaving(leaves) {
  const field = $('[data-field="leaving"]', root);
  field.hidden = !leaves;
  setText(field, replacing && AT_WORK.has(replacing.status) ? "being replaced" : "being removed");
}

/** The job as it has ended, also where its end was missed. */
async function endOf(job) {
  const fetchJob = () => api("GET", job.url);
  const now = await fetchJob().catch(() => job);
  return AT_WORK.has(now.status) ? jobEnd(job.id, fetchJob) : now;
}

let isLeaving = false;

/** Where there is another one in its place by now, that one is shown. */
async function leave() {
  if (isLeaving) return;
  isLeaving = true;
  const job = replacing && (await endOf(replacing));
  if (job?.status === "succeeded") return location.assign(`/containers/${job.result.container_id}/`);
  toast(`${root.dataset.name} is removed.`);
  setTimeout(() => location.assign("/containers/"), 800);
}

/** A missing image is pulled first: its layers are shown until the container is there. */
function showCreation(job) {
  const section = $("#creation");
  section.hidden = !AT_WORK.has(job.status);
  if (!section.hidden) showProgress(section, job);
}

/** Another one is being made in this one's place, by whomever. */
function showReplacing(job) {
  replacing = job;
  showCreation(job);
  showLeaving(AT_WORK.has(job.status));
  if (job.status === "succeeded") leave();
  else if (!AT_WORK.has(job.status)) settled(job, root.dataset.name);
}

onChange("job", (change) => {
  const job = change.object;
  if (job?.kind === "container.recreate" && job.subject === id) return showReplacing(job);
  if (job && (job.id === creation?.id || (job.kind === "container.create" && job.subject === id))) showCreation(job);
});
/** Nobody knows what was missed: the container itself is asked for. */
onReset(async () => {
  try {
    if (replacing && AT_WORK.has(replacing.status)) showReplacing(await api("GET", replacing.url).catch(() => replacing));
    show(await api("GET", `containers/${id}/`));
  } catch (problem) {
    if (problem.status === 404) leave();
  }
});

const creation = pageData("creation-data");
if (creation?.kind === "container.recreate" && creation.subject === id) replacing = creation;
if (creation) showCreation(creation);
setRunning(root.dataset.status);
log?.open();
plots.open();
