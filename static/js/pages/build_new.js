// The form that begins a build: what is typed becomes the REST body, and that the lines beside it.
import { Problem, api } from "../api.js";
import { Folder } from "../builds/folder.js";
import { $, $$, pageData, setText } from "../dom.js";
import { clearProblems, showProblems } from "../images/form.js";
import { quoteWord } from "../shell.js";

const form = $("#build-form");
const again = pageData("again");
const folder = new Folder(form, () => showLines());

function addRow(kind, key = "", value = "") {
  const row = $(`#${kind}-row`).content.firstElementChild.cloneNode(true);
  $("[data-key]", row).value = key;
  $("[data-value]", row).value = value;
  $(`[data-pairs="${kind}"]`).append(row);
  return row;
}

function pairs(kind) {
  const found = $$(`[data-pairs="${kind}"] .pair`).map((row) => [$("[data-key]", row).value.trim(), $("[data-value]", row).value]);
  return Object.fromEntries(found.filter(([key, value]) => key || value));
}

/** [keys that are typed, names of stored ones], by the ids of their agents. */
function sshKeys() {
  const typed = {};
  const stored = {};
  for (const row of $$('[data-pairs="ssh"] .pair')) {
    const id = $("[data-key]", row).value.trim() || "default";
    const name = $("[data-stored]", row).value;
    if (name) stored[id] = name;
    else typed[id] = $("[data-value]", row).value;
  }
  return [typed, stored];
}

/** What is typed, as REST takes it, and what can't be read. */
function read() {
  const { elements } = form;
  const body = {};
  const problems = {};
  const tags = elements.tags.value.split(/[\s,]+/).filter(Boolean);
  if (tags.length) body.tags = tags;
  if (elements.from.value === "text") body.dockerfile_text = elements.dockerfile_text.value;
  else if (elements.dockerfile.value.trim()) body.dockerfile = elements.dockerfile.value.trim();
  if (elements.from.value === "git") body.git = elements.git.value.trim();
  for (const name of ["build_args", "secrets"]) {
    const found = pairs(name);
    if (Object.keys(found).length) body[name] = found;
  }
  sshKeys().forEach((found, index) => {
    if (Object.keys(found).length) body[["ssh", "ssh_keys"][index]] = found;
  });
  const rights = $$('[name="entitlements"]:checked', form).map((box) => box.value);
  if (rights.length) body.entitlements = rights;
  for (const name of ["target", "platform", "cache_to", "sbom", "provenance", "signing_key"]) if (elements[name].value.trim()) body[name] = elements[name].value.trim();
  for (const name of ["platforms", "cache_from"]) {
    const found = elements[name].value.split(/[\s,]+/).filter(Boolean);
    if (found.length) body[name] = found;
  }
  if (body.cache_to && elements.cache_mode.value !== "min") body.cache_mode = elements.cache_mode.value;
  if (elements.network.value !== "default") body.network = elements.network.value;
  for (const name of ["pull", "no_cache", "push", "cache_inline"]) if (elements[name].checked) body[name] = true;
  if (body.cache_to && elements.cache_mounts.checked) body.cache_mounts = true;
  for (const [name, field, factor] of [["memory", "memory_bytes", 1 << 20], ["cpus", "cpus", 1]]) {
    const text = elements[name].value.trim().replace(",", ".");
    if (!text) continue;
    if (Number(text) > 0) body[field] = factor === 1 ? Number(text) : Math.round(Number(text) * factor);
    else problems[field] = ["Give a number above 0."];
  }
  return { body, problems };
}

/** The ids of secrets, whose values are nobody's to see. */
function masked(values) {
  return values && Object.fromEntries(Object.keys(values).map((key) => [key, "…"]));
}

function showLines() {
  const { body } = read();
  for (const row of $$('[data-pairs="ssh"] .pair')) $("[data-value]", row).hidden = Boolean($("[data-stored]", row).value);
  const from = form.elements.from.value;
  for (const part of $$("[data-from]", form)) part.hidden = !part.dataset.from.split(" ").includes(from);
  const header = "-H 'Authorization: Bearer TOKEN'";
  const shown = { ...body, secrets: masked(body.secrets), ssh: masked(body.ssh) };
  const lines = [];
  if (from === "folder") {
    lines.push(`tar -C ${quoteWord(folder.name || "FOLDER")} -c . | curl -X POST ${header} \\\n  -H 'Content-Type: application/x-tar' -T - \\\n  ${location.origin}/api/v1/builds/contexts/`);
    shown.context = "ID";
  } else if (from === "again") shown.context = again.context.id;
  lines.push(`curl -X POST ${location.origin}/api/v1/builds/ \\\n  ${header} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoteWord(JSON.stringify(shown, null, 2))}`);
  setText($('[data-as="rest"]'), lines.join("\n\n"));
}

function note(text) {
  setText($("[data-note]", form), text);
}

async function submit() {
  clearProblems(form);
  $("[data-form-problem]", form).hidden = true;
  const { body, problems } = read();
  const from = form.elements.from.value;
  if (from === "folder" && !folder.body) problems.context = ["Choose a folder or an archive first."];
  if (Object.keys(problems).length) return show(problems);
  const button = $("#submit");
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  const host = form.elements.host;
  try {
    if (from === "folder") {
      note("Sending the folder");
      body.context = (await folder.send(host.options.length > 1 ? host.value : "")).id;
    } else if (from === "again") body.context = again.context.id;
    else if (host.options.length > 1) body.host = host.value;
    const { build } = await api("POST", "builds/", body);
    location.assign(`/builds/${build.id}/`);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    show(Object.keys(problem.fields).length ? problem.fields : { "": [problem.message] });
  } finally {
    note("");
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
}

function show(problems) {
  showProblems(form, problems);
  const notice = $("[data-form-problem]", form);
  notice.hidden = !$('[data-problem=""]', notice).textContent;
  if (!notice.hidden) notice.focus();
  $(".problem:not(:empty)", form)?.closest("details")?.setAttribute("open", "");
}

function fill(wish) {
  const { elements } = form;
  elements.tags.value = wish.tags.join(" ");
  if (again.context) elements.from.value = "again";
  if (wish.git) {
    elements.from.value = "git";
    elements.git.value = wish.git;
  }
  elements.dockerfile.value = wish.dockerfile === "Dockerfile" ? "" : wish.dockerfile;
  if (wish.dockerfile_text) {
    elements.dockerfile_text.value = wish.dockerfile_text;
    elements.from.value = "text";
  }
  for (const name of ["target", "platform", "cache_to", "sbom", "provenance", "signing_key"]) elements[name].value = wish[name] ?? "";
  for (const name of ["platforms", "cache_from"]) elements[name].value = (wish[name] ?? []).join(" ");
  for (const name of ["push", "cache_inline", "cache_mounts"]) elements[name].checked = wish[name] ?? false;
  elements.cache_mode.value = wish.cache_mode ?? "min";
  elements.network.value = wish.network;
  elements.pull.checked = wish.pull;
  elements.no_cache.checked = wish.no_cache;
  if (wish.memory_bytes) elements.memory.value = wish.memory_bytes / (1 << 20);
  if (wish.cpus) elements.cpus.value = wish.cpus;
  for (const [key, value] of Object.entries(wish.build_args)) addRow("build_args", key, value);
  for (const key of wish.secrets) addRow("secrets", key);
  for (const key of wish.ssh ?? []) addRow("ssh", key);
  for (const [key, name] of Object.entries(wish.ssh_keys ?? {})) $("[data-stored]", addRow("ssh", key)).value = name;
  for (const box of $$('[name="entitlements"]', form)) box.checked = (wish.entitlements ?? []).includes(box.value);
  elements.host.value = again.host.id;
  if (wish.target || wish.platform || wish.secrets.length || $("[data-pairs=ssh] .pair", form) || wish.entitlements?.length || wish.memory_bytes || wish.cpus || wish.network !== "default") $("[data-more]", form).open = true;
  $("[data-results]", form).open = ["push", "cache_inline", "cache_to", "sbom", "provenance", "signing_key"].some((name) => wish[name]) || Boolean(elements.platforms.value || elements.cache_from.value);
}

form.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add]");
  if (add) {
    $("[data-key]", addRow(add.dataset.add)).focus();
    showLines();
  }
  const remove = event.target.closest("[data-remove]");
  if (remove) {
    remove.closest(".pair").remove();
    showLines();
  }
});
form.addEventListener("input", showLines);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
if (again) fill(again.wish);
showLines();
