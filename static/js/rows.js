// Writes a container or a job, as the site told it, into a row that the site or a <template> made.
import { $, el, setText, words } from "./dom.js";
import { span } from "./format.js";
import { timeElement } from "./time.js";

const NEVER_RAN = new Set(["pending", "created"]);

/** The status that the mark shows; as `state_of` in webui/pages/explain.py. */
export function stateOf(container) {
  return NEVER_RAN.has(container.status) && container.error ? "failed" : container.status;
}

/** As `note_of` in webui/pages/rows.py. */
function noteOf(container) {
  if (container.desired_status === "removed") return "being removed";
  if (stateOf(container) === "failed") return container.error;
  if (!["stopped", "restarting"].includes(container.status)) return "";
  if (container.oom_killed) return "out of memory";
  return container.exit_code === null ? "" : `exit ${container.exit_code}`;
}

export function setStatus(element, status, table) {
  if (!element) return;
  element.dataset.status = status;
  setText(element, words[table]?.[status] ?? status);
}

export function fillContainer(row, container) {
  const state = stateOf(container);
  row.dataset.id = container.id;
  row.dataset.status = state;
  const field = (name) => $(`[data-field="${name}"]`, row);
  setText(field("name"), container.name);
  field("name")?.setAttribute("href", `/containers/${container.id}/`);
  setText(field("image"), container.image);
  fillWalls(field("walls"), container.loosened ?? []);
  fillHealth(field("health"), container.health);
  setStatus(field("status"), state, "container_status");
  const note = field("note");
  if (note) {
    const text = noteOf(container);
    if (text) setText(note, text);
    else note.replaceChildren(...(state === "running" && container.started_at ? [timeElement(container.started_at, "for")] : []));
  }
  setText(field("host"), container.host?.name ?? "");
  field("created")?.replaceChildren(timeElement(container.created_at));
  field("ports")?.replaceChildren(...portNodes(container.ports));
  for (const button of row.querySelectorAll("[data-action][aria-label], [data-tick], summary[aria-label]")) {
    button.setAttribute("aria-label", `${button.matches("[data-tick]") ? "Select" : button.title || "More for"} ${container.name}`);
  }
}

/** What is looser than usual, in one mark; as templates/parts/walls.html. */
function fillWalls(place, loosened) {
  const text = loosened.length > 1 ? `${loosened[0]} and ${loosened.length - 1} more` : loosened[0];
  if (!place || place.textContent === (text ?? "")) return;
  place.replaceChildren(...(text ? [el("span", { class: "pill pill-warn", title: loosened.join(", ") }, text)] : []));
}

const HEALTH_TONE = { healthy: "pill pill-good", unhealthy: "pill pill-bad" };

/** The mark of the health check, for what runs and has one; as templates/parts/health.html. */
export function fillHealth(place, health) {
  const status = health && health.status !== "none" ? health.status : "";
  const text = status && (words.health?.[status] ?? status);
  if (!place || place.textContent === text) return;
  place.replaceChildren(...(text ? [el("span", { class: HEALTH_TONE[status] ?? "pill" }, text)] : []));
}

/** Published ports as links (TCP), the others as text. */
export function portNodes(ports) {
  if (!ports?.length) return [el("span", { class: "faint" }, "–")];
  return ports.flatMap((port) => {
    if (!port.host) return [el("span", { class: "faint" }, `${port.container}/${port.protocol}`), " "];
    if (port.protocol !== "tcp") return [el("span", {}, `${port.host}→${port.container}/${port.protocol}`), " "];
    const here = ["0.0.0.0", "127.0.0.1", "::", "::1"].includes(port.address) ? location.hostname : port.address.includes(":") ? `[${port.address}]` : port.address;
    return [el("a", { href: `http://${here}:${port.host}/`, target: "_blank", rel: "noreferrer" }, `${port.host}→${port.container}`), " "];
  });
}

export function fillJob(row, job) {
  row.dataset.id = job.id;
  row.dataset.status = job.status;
  const field = (name) => $(`[data-field="${name}"]`, row);
  setText(field("title"), words.job_kind?.[job.kind] ?? job.kind);
  field("title")?.setAttribute("href", `/jobs/${job.id}/`);
  if (!row.dataset.filled || !job.kind.startsWith("container.")) setText(field("about"), shortSubject(job));
  row.dataset.filled = "yes";
  setStatus(field("status"), job.status, "job_status");
  setText(field("note"), job.error?.message ?? (job.status === "running" ? job.progress?.phase ?? "" : ""));
  setText(field("who"), job.requested_by ?? "–");
  setText(field("host"), job.host?.name ?? "");
  field("created")?.replaceChildren(timeElement(job.created_at));
  const took = field("took");
  if (took) {
    if (job.status === "running" && job.started_at) took.replaceChildren(timeElement(job.started_at, "for"));
    else setText(took, span(job.duration_seconds));
  }
}

function shortSubject(job) {
  const digits = (job.subject ?? "").replace(/^sha256:/, "");
  return /^[0-9a-f]{64}$/.test(digits) ? digits.slice(0, 12) : job.subject;
}
