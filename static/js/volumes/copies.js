// One volume's copies: clones, snapshots, backups. Forms go to REST as they are; what is done shows when its job ends.
import { settled } from "../actions.js";
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { clearProblems, showProblems, submitting } from "../images/form.js";
import { jobEnd } from "../live.js";
import { toast } from "../toast.js";

const MEBIBYTE = 1048576;

/** `id`, `name`: the volume's; `fragments`: what shows its copies. */
export function startCopies({ id, name, fragments }) {
  for (const form of $$("[data-volume-form]")) startForm(form, name, fragments);
  const upload = $("[data-upload-form]");
  if (upload) startUpload(upload, name);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (!button) return;
    onButton(button.dataset, id, name, fragments);
    onPlace(button.dataset);
    if (button.dataset.change) openChange(button.dataset);
  });
}

async function onButton({ revert, forget, restore, backupRemove, planRemove }, id, name, fragments) {
  const path = (snapshot) => `volumes/${id}/snapshots/${encodeURIComponent(snapshot)}/`;
  if (revert) return replace(`Bring ${revert} back?`, `the snapshot ${revert}`, `${path(revert)}revert/`, name, fragments);
  if (restore) return openRestore(restore);
  if (forget && (await confirmAction({ title: `Remove ${forget}?`, text: "The snapshot is deleted; the volume's files stay.", yes: "Remove" }))) await done(await attempt("DELETE", path(forget)), forget, fragments);
  if (backupRemove && (await confirmAction({ title: "Remove this backup?", text: "It is deleted where it lies.", yes: "Remove" }))) await done(await attempt("DELETE", `backups/${backupRemove}/`), "backup", fragments);
  if (planRemove && (await confirmAction({ title: "Remove this plan?", text: "No more backups are made by it; those that are there stay.", yes: "Remove" }))) {
    await attempt("DELETE", `backup-plans/${planRemove}/`);
    refreshSoon(...fragments);
  }
}

/** Of the list of places: try one from this volume's host, or forget it, which the other dialogs must not offer then. */
async function onPlace({ placeTest, placeRemove, name }) {
  if (placeTest) return done(await attempt("POST", `backup-places/${placeTest}/test/`, { host: $("#volume").dataset.host }), name, ["backups"]);
  if (!placeRemove) return;
  const answer = await confirmAction({ title: `Remove ${name}?`, text: "The place is forgotten, and which backups are there. Those stay where they are.", yes: "Remove" });
  if (answer && (await attempt("DELETE", `backup-places/${placeRemove}/`)) !== undefined) location.reload();
}

/** Open a dialog that makes something to change one that is there: `data-change` its id, `data-path`, `data-values`. */
function openChange({ change, path, values }) {
  const dialog = document.getElementById(change), form = $("form", dialog), usual = { path: form.dataset.path };
  const [title, button] = [$("h2", dialog), $("[data-submit]", dialog)], texts = [title.textContent, button.textContent];
  form.reset();
  for (const [name, value] of Object.entries(JSON.parse(values))) {
    const field = form.elements[name];
    if (field?.type === "checkbox") field.checked = value;
    else if (field) field.value = value;
  }
  Object.assign(form.dataset, { path, method: "PATCH" });
  for (const place of $$("[data-new-only]", form)) place.hidden = true;
  form.elements.kind?.dispatchEvent(new Event("input"));
  [title.textContent, button.textContent] = [dialog.dataset.changeTitle, "Change"];
  dialog.showModal();
  dialog.addEventListener("close", () => {
    delete form.dataset.method;
    Object.assign(form.dataset, usual);
    [title.textContent, button.textContent] = texts;
    for (const place of $$("[data-new-only]", form)) place.hidden = false;
    form.reset();
    form.elements.kind?.dispatchEvent(new Event("input"));
  }, { once: true });
}

/** The dialog that says into which volume; the safe answer has the focus. */
function openRestore(backup) {
  const form = $("#restore-dialog form");
  clearProblems(form);
  form.reset();
  form.dataset.path = `backups/${backup}/restore/`;
  form.closest("dialog").showModal();
}

async function replace(title, source, path, name, fragments) {
  const text = `All files of ${name} become those of ${source}; what was written since is lost.`;
  const answer = await confirmAction({ title, text, yes: "Replace all files", check: "Stop the containers that run with it, and start them afterwards" });
  if (answer && (await done(await attempt("POST", path, { stop: answer.checked }), name, fragments))) toast(`${name} has the files of ${source}.`);
}

/** Wait for the job of an answer, if there is one. Answers whether it went well. */
async function done(answer, name, fragments) {
  const job = answer?.job ?? answer?.backup?.job;
  const id = typeof job === "string" ? job : job?.id;
  const isGood = id ? settled(await jobEnd(id, () => api("GET", `jobs/${id}/`)), name) : false;
  refreshSoon(...fragments);
  return isGood;
}

/** What is no number goes as it was typed, so that it is refused: JSON has null for NaN, which means none. */
function numberOf(text, unit = 1) {
  const number = Number(text);
  return Number.isNaN(number) ? text : unit === 1 ? number : Math.round(number * unit);
}

function read(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.closest("[hidden]")) continue;
    const text = field.type === "checkbox" ? "" : field.value.trim();
    if (field.type === "checkbox") body[field.name] = field.checked;
    else if ("mebibytes" in field.dataset) body[field.name] = text ? numberOf(text, MEBIBYTE) : null;
    else if ("number" in field.dataset) body[field.name] = text ? numberOf(text) : undefined;
    else if (text || field.required || (form.dataset.method && field.type !== "password")) body[field.name] = text;
  }
  const { team, host, method } = form.dataset;
  if (team && !method) body.team = team;
  if (host && body.kind === "directory") body.host = host;
  return body;
}

function startForm(form, name, fragments) {
  const kind = form.elements.kind;
  const show = () => { for (const field of $$("[data-for]", form)) field.hidden = field.dataset.for !== kind.value; };
  kind?.addEventListener("input", show);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $("[data-submit]", form);
    if (button.getAttribute("aria-busy") === "true") return;
    const body = read(form);
    const answer = await submitting(form, button, () => api(form.dataset.method ?? "POST", form.dataset.path, body));
    if (!answer) return;
    form.closest("dialog").close();
    form.reset();
    if (kind) { show(); return location.reload(); } // the other dialogs offer the new place
    if ((await done(answer, body.name ?? name, fragments)) && form.dataset.done) toast(`${body.name ?? name} ${form.dataset.done}.`);
  });
}

function startUpload(form, name) {
  const dialog = form.closest("dialog"), progress = $("progress", form), button = $("[data-submit]", form);
  let request = null;
  dialog.addEventListener("close", () => request?.abort());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = form.elements.file.files[0];
    if (!file || request) return;
    request = new XMLHttpRequest();
    request.open("PUT", `/api/v1/${form.dataset.path}${form.elements.stop.checked ? "?stop=true" : ""}`);
    request.setRequestHeader("X-CSRFToken", $('meta[name="csrf-token"]').content);
    request.setRequestHeader("Content-Type", "application/x-tar");
    request.upload.addEventListener("progress", (sent) => { progress.value = sent.loaded / sent.total; });
    request.addEventListener("loadend", () => {
      const { status, responseText } = request;
      request = null;
      progress.hidden = true;
      button.removeAttribute("aria-busy");
      if (status === 200) { dialog.close(); form.reset(); toast(`${name} has the files of the tar.`); return; }
      if (!status) return;
      let said = {};
      try { said = JSON.parse(responseText); } catch { /* no problem document */ }
      showProblems(form, { "": [said.detail ?? `The site answered ${status}.`] });
    });
    progress.value = 0;
    progress.hidden = false;
    button.setAttribute("aria-busy", "true");
    request.send(file);
  });
}
