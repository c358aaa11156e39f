// The form that makes a container: what is typed becomes the REST body, and that the line beside it.
import { Problem, api } from "../api.js";
import { afterCommand, beforeCommand, fillOptions, offerRuntimes, openChanged, optionWords, readOptions, showFolds } from "../container_options.js";
import { $, $$, el, pageData, setText } from "../dom.js";
import { startFiles } from "../mode_options.js";
import { portOf, rangeText, readRange } from "../lines.js";
import { addNetwork, chooseNetwork, offerNetworks } from "../network_options.js";
import { replaceContainer } from "../replacing.js";
import { joinWords, quoteWord, splitWords } from "../shell.js";

const form = $("#create");
const suggestions = pageData("suggestions") ?? [];
const LEAST_MEMORY = 6 << 20;
const hosts = pageData("hosts") ?? [];
const networks = pageData("networks") ?? [];

const chosenHost = () => hosts.find((host) => host.id === form.host.value) ?? hosts[0];

function addRow(kind, values = {}) {
  if (kind === "networks") return addNetwork();
  const row = $(`#${kind}-row`).content.firstElementChild.cloneNode(true);
  if (kind === "ports") $("[data-address]", row).value = chosenHost().publishing.default;
  for (const [name, value] of Object.entries(values)) {
    const field = $(`[data-${name}]`, row);
    if (field && value !== null && value !== undefined) field.value = value;
  }
  $(`[data-pairs="${kind}"]`).append(row);
  return row;
}

/** The number in a field: null when empty, NaN when it is none. */
function number(text) {
  const trimmed = text.trim().replace(",", ".");
  return trimmed === "" ? null : /^[0-9.]+$/.test(trimmed) ? Number(trimmed) : NaN;
}

/** What is typed, as REST takes it, and what can't be read: {body, problems}. */
function read() {
  const problems = {};
  const body = { image: form.image.value.trim() };
  if (!body.image) problems.image = ["Name an image."];
  if (form.elements.name.value.trim()) body.name = form.elements.name.value.trim();
  if (form.host.options.length > 1) body.host = form.host.value;
  try {
    const words = splitWords(form.command.value);
    if (words.length) body.command = words;
  } catch (error) {
    problems.command = [error.message];
  }
  const env = $$('[data-pairs="env"] .pair').map((row) => [$("[data-key]", row).value, $("[data-value]", row).value]).filter(([key, value]) => key || value);
  if (env.length) body.env = Object.fromEntries(env);
  const ports = $$('[data-pairs="ports"] .pair').map(readPort);
  if (ports.length) body.ports = ports;
  for (const [index, port] of ports.entries()) {
    if (!port.container) problems[`ports.${index}.container`] = ["Give the container's port, from 1 to 65535, or a range such as 80-90."];
    if (port.host === 0) problems[`ports.${index}.host`] = ["Give a port of the host from 1 to 65535, or a range, or leave it empty for a free one."];
  }
  const memory = number(form.memory.value);
  if (Number.isNaN(memory)) problems.memory_bytes = ["Give a number, such as 256."];
  else if (memory !== null) body.memory_bytes = Math.round(memory * Number(form["memory-unit"].value));
  if (body.memory_bytes < LEAST_MEMORY) problems.memory_bytes = ["Give at least 6 MiB: below that most programs are killed before they have begun."];
  const cpus = number(form.cpus.value);
  if (Number.isNaN(cpus)) problems.cpus = ["Give a number of cores, such as 0.5 or 2."];
  else if (cpus !== null) body.cpus = cpus;
  if (form.restart.value !== "no") body.restart = form.restart.value;
  const limit = number(form.restart_limit.value);
  if (form.restart.value === "on-failure" && limit !== null) {
    if (Number.isInteger(limit)) body.restart_limit = limit;
    else problems.restart_limit = ["Give a whole number."];
  }
  if (!form.start.checked) body.start = false;
  const options = readOptions();
  return { body: { ...body, ...options.body }, problems: { ...problems, ...options.problems } };
}

function readPort(row) {
  const [inside, outside] = ["container", "host"].map((name) => readRange($(`[data-${name}]`, row).value));
  const port = inside?.length ? portOf(inside, outside ?? []) : { container: 0 };
  if (!outside) port.host = 0;
  if ($("[data-protocol]", row).value !== "tcp") port.protocol = $("[data-protocol]", row).value;
  port.address = $("[data-address]", row).value.trim() || chosenHost().publishing.default;
  return port;
}

/** The docker line for a body. */
export function dockerLine(body) {
  const words = ["docker", body.start === false ? "create" : "run -d"];
  if (body.name) words.push("--name", quoteWord(body.name));
  for (const [key, value] of Object.entries(body.env ?? {})) words.push("-e", quoteWord(`${key}=${value}`));
  for (const port of body.ports ?? []) {
    const [outside, inside] = [port.host ? rangeText(port.host, port.host_last) : "", port.container ? rangeText(port.container, port.container_last) : "PORT"];
    words.push("-p", quoteWord(`${port.address.includes(":") ? `[${port.address}]` : port.address}:${outside}:${inside}${port.protocol ? `/${port.protocol}` : ""}`));
  }
  if (body.memory_bytes) words.push("--memory", body.memory_bytes % 1048576 ? `${body.memory_bytes}b` : `${body.memory_bytes / 1048576}m`);
  if (body.cpus) words.push("--cpus", String(body.cpus));
  if (body.restart) words.push("--restart", body.restart + (body.restart_limit ? `:${body.restart_limit}` : ""));
  words.push(...optionWords(body));
  words.push(body.image ? quoteWord(body.image) : "IMAGE", joinWords([...beforeCommand(body), ...(body.command ?? [])]));
  return words.filter(Boolean).join(" ") + afterCommand(body);
}

function restCall(body) {
  const path = replaces() ? `${like.id}/recreate/` : "";
  const host = body.host && { host: replaces() ? undefined : form.host.selectedOptions[0].textContent.replace(/ \(offline\)$/, "") };
  const text = quoteWord(JSON.stringify({ ...body, image: body.image || "IMAGE", ...host }, null, 2));
  return `curl -X POST ${location.origin}/api/v1/containers/${path} \\\n  -H 'Authorization: Bearer TOKEN' \\\n  -H 'Content-Type: application/json' \\\n  -d ${text}`;
}

function showPieces() {
  const pieces = $("[data-pieces]");
  try {
    const words = splitWords(form.command.value);
    pieces.replaceChildren(...words.map((word) => el("span", { class: "piece" }, word || "''")));
    if (!words.length) pieces.replaceChildren(el("span", { class: "help" }, "As in a shell: quotes hold words together. Use sh -c '…' for pipes and loops."));
    setText($('[data-problem="command"]'), "");
    form.command.removeAttribute("aria-invalid");
  } catch (error) {
    // Half-typed quotes are no error yet; leaving the field tells.
    pieces.replaceChildren(el("span", { class: "help" }, error.message));
  }
}

function showImage() {
  const here = suggestions.filter((one) => one.host === form.host.value);
  $("#image-list").replaceChildren(...here.map((one) => el("option", { value: familiar(one.tag) })));
  const typed = form.image.value.trim();
  const match = here.find((one) => one.tag === typed || familiar(one.tag) === typed || familiar(one.tag) === `${typed}:latest`);
  const host = form.host.selectedOptions[0]?.textContent ?? "the host";
  setText($("[data-image-help]"), !typed ? "An image that is not on the host yet is pulled first." : match ? `On ${host} already: it starts at once.` : `Not on ${host} yet: it is pulled first.`);
  const ports = match?.ports ?? [];
  setText($("[data-port-help]"), ports.length ? `The image listens on ${ports.join(", ")}.` : "127.0.0.1 is reached from the host alone, 0.0.0.0 from everywhere.");
  const { said } = chosenHost().publishing;
  setText($("[data-publish-help]"), said && said !== "any address" ? `Your team publishes at ${said}; an administrator may allow more.` : "");
}

function familiar(tag) {
  return tag.replace(/^docker\.io\/library\//, "").replace(/^docker\.io\//, "");
}

function showLines() {
  const { body } = read();
  setText($('[data-as="docker"]'), dockerLine(body));
  setText($('[data-as="rest"]'), restCall(body));
  setText($("[data-submit-text]"), replaces() ? `Replace ${like.name}` : form.start.checked ? "Create and start" : "Create");
  $("[data-restart-limit]").hidden = form.restart.value !== "on-failure";
  showFolds();
}

function clearProblems() {
  for (const problem of $$(".problem", form)) setText(problem, "");
  for (const field of $$("[aria-invalid]", form)) field.removeAttribute("aria-invalid");
  $("[data-form-problem]").hidden = true;
}

/** Show each error beside its field, the rest above the form. */
function showProblems(fields, message = null) {
  const rest = [];
  for (const [name, texts] of Object.entries(fields)) {
    const [kind, index, part] = name.split(".");
    const row = index !== undefined && $$(`[data-pairs="${kind}"] .pair`)[Number(index)];
    const place = (row && $("[data-row-problem]", row)) || $(`[data-problem="${kind}"]`);
    if (!place) {
      rest.push(...texts);
      continue;
    }
    setText(place, [place.textContent, ...texts].filter(Boolean).join(" "));
    const field = (row && part && $(`[data-${part}]`, row)) || form.elements[kind === "memory_bytes" ? "memory" : kind] || $(`[data-option="${kind}"]`);
    field?.setAttribute?.("aria-invalid", "true");
    const fold = place.closest("[data-fold]");
    if (fold) fold.open = true;
  }
  if (message && (rest.length || !Object.keys(fields).length)) rest.unshift(message);
  if (rest.length) {
    const notice = $("[data-form-problem]");
    setText($("[data-text]", notice), [...new Set(rest)].join(" "));
    notice.hidden = false;
  }
  ($("[aria-invalid]", form) ?? $("[data-form-problem]")).focus();
}

/** Whether the one that this is like is to go. */
function replaces() {
  return form.elements.replace?.checked ?? false;
}

/** What replaces another is on its host, and has its name, unless one is typed. */
function followReplaced() {
  if (!like) return;
  const { name, host } = form.elements;
  host.disabled = replaces();
  if (replaces() && like.host) host.value = like.host.id;
  if (replaces() && !name.value) name.value = like.name;
  else if (!replaces() && name.value === like.name) name.value = "";
}

async function submit() {
  clearProblems();
  const { body, problems } = read();
  if (Object.keys(problems).length) return showProblems(problems);
  const button = $("#submit");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    const tell = (text) => setText($("[data-replacing]"), text);
    const id = replaces() ? await replaceContainer(like, body, tell) : (await api("POST", "containers/", body)).container.id;
    location.assign(`/containers/${id}/`);
  } catch (problem) {
    button.removeAttribute("aria-busy");
    setText($("[data-replacing]"), "");
    if (!(problem instanceof Problem)) throw problem;
    showProblems(problem.fields, problem.message);
  }
}

/** `KEY=value` lines pasted into a name become rows. */
function pasteMany(event) {
  if (!event.target.matches("[data-key]")) return;
  const pairs = event.clipboardData.getData("text").split("\n").map((line) => /^\s*(?:export\s+)?([^=#\s]+)=(.*)$/.exec(line)).filter(Boolean);
  if (!pairs.length) return;
  event.preventDefault();
  const row = event.target.closest(".pair");
  for (const [, key, value] of pairs) addRow("env", { key, value: value.trim().replace(/^(["'])(.*)\1$/, "$2") });
  if (!$("[data-value]", row).value) row.remove();
  showLines();
}

function fillLike(like) {
  form.image.value = like.image;
  form.command.value = joinWords(like.command ?? []);
  for (const [key, value] of Object.entries(like.env ?? {})) addRow("env", { key, value });
  for (const port of like.ports ?? []) addRow("ports", { ...port, ...(port.host && { host: rangeText(port.host, port.host_last) }) });
  if (like.memory_bytes) form.memory.value = like.memory_bytes / 1048576;
  if (like.cpus) form.cpus.value = like.cpus;
  form.restart.value = like.restart ?? "no";
  if (like.restart_limit) form.restart_limit.value = like.restart_limit;
  fillOptions(like);
  if ([...form.host.options].some((option) => option.value === like.host?.id)) form.host.value = like.host.id;
}

form.addEventListener("input", (event) => {
  showPieces();
  showImage();
  if (event.target === form.host) showHost();
  if (event.target.name === "replace") {
    followReplaced();
    showHost();
  }
  showLines();
});
form.addEventListener("paste", pasteMany);
form.addEventListener("keydown", (event) => {
  // A command may have lines, so Enter is one of them; with Ctrl it sends, as in every other field Enter does.
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
form.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add]");
  const remove = event.target.closest("[data-remove]");
  if (add) $("input, select", addRow(add.dataset.add, add.dataset.add === "ports" ? firstFreePort() : {})).focus();
  if (remove) {
    const pairs = remove.closest(".pairs");
    remove.closest(".pair").remove();
    $(`[data-add="${pairs.dataset.pairs}"]`).focus();
  }
  if (add || remove) showLines();
});

/** The next port that the image listens on and that no row has yet. */
function firstFreePort() {
  const typed = form.image.value.trim();
  const ports = suggestions.find((one) => familiar(one.tag) === typed || familiar(one.tag) === `${typed}:latest`)?.ports ?? [];
  const taken = new Set($$('[data-pairs="ports"] [data-container]').map((field) => field.value));
  const next = ports.map((port) => port.split("/")).find(([port]) => !taken.has(port));
  return next ? { container: next[0], protocol: next[1] ?? "tcp" } : {};
}

/** What only this host has: its runtimes and its networks. */
function showHost() {
  offerRuntimes(chosenHost().runtimes ?? []);
  offerNetworks(networks.filter((network) => network.host === form.host.value));
}

/** Pages of a host and of a network lead here with what they are. */
function fillFromAddress() {
  const asked = new URLSearchParams(location.search);
  const host = [...form.host.options].find((option) => option.value === asked.get("host"));
  if (host) form.host.value = host.value;
  if (asked.get("network")) chooseNetwork(asked.get("network"));
  if (asked.has("replace") && form.elements.replace) {
    form.elements.replace.checked = true;
  }
}

const like = pageData("like");
if (like) fillLike(like);
fillFromAddress();
for (const option of $$("[data-offline]", form.host)) option.disabled = form.host.options.length > 1;
if (form.host.selectedOptions[0]?.disabled) form.host.value = [...form.host.options].find((option) => !option.disabled)?.value ?? form.host.value;
followReplaced();
startFiles(showLines);
showHost();
openChanged();
showPieces();
showImage();
showLines();
