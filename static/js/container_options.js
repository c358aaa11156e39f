// The folded groups of the form: options of docker run, each field telling its kind; what is typed becomes the
// fields of the REST body and the flags of the line beside it.
import { $, $$, setText } from "./dom.js";
import { fillHealth, healthWords, readHealth, showHealth } from "./health_options.js";
import { fillMode, readMode, showModes } from "./mode_options.js";
import { addNetwork, networkWords, readJoining, readNetworks, splitMain } from "./network_options.js";
import { joinWords, quoteWord, splitWords } from "./shell.js";

const MIB = 1048576;
const CONTENT = "profile.json";

/** kind → [what is typed → value (undefined: nothing; throws an Error with a sentence), value → what is typed]. */
const KINDS = {
  flag: [(field) => field.checked || undefined, (field, value) => { field.checked = Boolean(value); }],
  text: [(field) => field.value.trim() || undefined, (field, value) => { field.value = value ?? ""; }],
  raw: [(field) => field.value || undefined, (field, value) => { field.value = value ?? ""; }],
  mode: [readMode, fillMode],
  choice: [(field) => (field.value === field.dataset.default ? undefined : field.value), choose],
  number: [(field) => whole(field.value), (field, value) => { field.value = value ?? ""; }],
  mib: [mebibytes, (field, value) => { field.value = value === null || value === undefined ? "" : value < 0 ? value : value / MIB; }],
  words: [(field) => list(field.value.trim().split(/[\s,]+/)), (field, value) => { field.value = (value ?? []).join(" "); }],
  lines: [(field) => list(field.value.split("\n").map((line) => line.trim())), (field, value) => { field.value = (value ?? []).join("\n"); }],
  shell: [(field) => list(splitWords(field.value)), (field, value) => { field.value = joinWords(value ?? []); }],
  quota: [(field) => (field.value.trim() ? { size: field.value.trim() } : undefined), (field, value) => { field.value = Object.values(value ?? {})[0] ?? ""; }],
  map: [pairs, (field, value) => { field.value = Object.entries(value ?? {}).map(([key, text]) => `${key}=${text}`).join("\n"); }],
};

/** name → its flag; sizes are written as docker does. */
const FLAGS = {
  cap_add: "--cap-add", cap_drop: "--cap-drop", devices: "--device", device_cgroup_rules: "--device-cgroup-rule",
  group_add: "--group-add", ulimits: "--ulimit", tmpfs: "--tmpfs", extra_hosts: "--add-host", dns: "--dns",
  dns_search: "--dns-search", dns_options: "--dns-option", device_read_bps: "--device-read-bps", device_write_bps: "--device-write-bps",
  device_read_iops: "--device-read-iops", device_write_iops: "--device-write-iops", privileged: "--privileged", read_only: "--read-only",
  init: "--init", tty: "--tty", stdin_open: "--interactive",
  auto_remove: "--rm", oom_kill_disable: "--oom-kill-disable", userns: "--userns", runtime: "--runtime",
  stop_signal: "--stop-signal", stop_timeout: "--stop-timeout", domainname: "--domainname", hostname: "--hostname", user: "--user",
  workdir: "--workdir", pids_limit: "--pids-limit", oom_score_adj: "--oom-score-adj", cpu_shares: "--cpu-shares",
  cpu_quota: "--cpu-quota", cpu_period: "--cpu-period", cpu_rt_runtime: "--cpu-rt-runtime", cpu_rt_period: "--cpu-rt-period", cpuset_cpus: "--cpuset-cpus", cpuset_mems: "--cpuset-mems",
  blkio_weight: "--blkio-weight", shm_size: "--shm-size", memory_reservation: "--memory-reservation", memory_swap: "--memory-swap",
  network: "--network", ip: "--ip", ip6: "--ip6", mac_address: "--mac-address", network_alias: "--network-alias", link: "--link", expose: "--expose", publish_all: "--publish-all", pid: "--pid", ipc: "--ipc", uts: "--uts",
  cgroupns: "--cgroupns", pull: "--pull", platform: "--platform", annotations: "--annotation",
  memory_swappiness: "--memory-swappiness", blkio_weight_device: "--blkio-weight-device",
  volumes: "--volume", mounts: "--mount", volumes_from: "--volumes-from", volume_driver: "--volume-driver",
  log_driver: "--log-driver", log_opt: "--log-opt", storage_opt: "--storage-opt",
  labels: "--label", sysctls: "--sysctl", security_opt: "--security-opt",
};
/** What came out of a file is named as one, as docker takes it. */
const FILES = { env_file: ["--env-file", "variables.env"], label_file: ["--label-file", "labels.txt"] };
const SIZES = new Set(["shm_size", "memory_reservation", "memory_swap"]);

function whole(text) {
  const trimmed = text.trim();
  if (!trimmed) return undefined;
  if (!/^-?[0-9]{1,15}$/.test(trimmed)) throw new Error("Give a whole number.");
  return Number(trimmed);
}

function mebibytes(field) {
  const text = field.value.trim().replace(",", ".");
  if (!text) return undefined;
  if (text === "-1") return -1;
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) throw new Error("Give a number of MiB, such as 256.");
  return Math.round(Number(text) * MIB);
}

function list(words) {
  const kept = words.filter(Boolean);
  return kept.length ? kept : undefined;
}

function pairs(field) {
  const lines = list(field.value.split("\n").map((line) => line.trim()));
  if (!lines) return undefined;
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1)];
  }));
}

function choose(field, value) {
  const wanted = value ?? field.dataset.default;
  if (![...field.options].some((option) => option.value === wanted)) field.append(new Option(wanted, wanted));
  field.value = wanted;
}

/** The security options that have fields of their own, and the rest as typed. */
function readSecurity() {
  const found = $("#new-privileges").checked ? ["no-new-privileges=false"] : [];
  const kind = $("#seccomp").value;
  if (kind === "unconfined") found.push("seccomp=unconfined");
  if (kind === "profile" && $("#profile").value.trim()) found.push(`seccomp=${$("#profile").value.trim()}`);
  return list([...found, ...$("#security_more").value.split("\n").map((line) => line.trim())]);
}

function fillSecurity(options) {
  const rest = [];
  for (const option of options ?? []) {
    const [, key, value] = /^([a-z-]+)[=:]?([^]*)$/.exec(option) ?? [null, "", ""];
    if (key === "no-new-privileges" && value === "false") $("#new-privileges").checked = true;
    else if (key === "seccomp" && value === "unconfined") $("#seccomp").value = value;
    else if (key === "seccomp" && value.startsWith("{")) [$("#seccomp").value, $("#profile").value] = ["profile", value];
    else rest.push(option);
  }
  $("#security_more").value = rest.join("\n");
}

/** What is typed: {body, problems}, each by the option's name. */
export function readOptions() {
  const body = {};
  const problems = {};
  for (const field of $$("[data-option]")) {
    try {
      const value = KINDS[field.dataset.kind][0](field);
      if (value !== undefined) body[field.dataset.option] = value;
    } catch (error) {
      problems[field.dataset.option] = [error.message];
    }
  }
  readNetworks(body, problems);
  const security = readSecurity();
  if (security) body.security_opt = security;
  try {
    const health = readHealth();
    if (health) body.healthcheck = health;
  } catch (error) {
    problems.healthcheck = [error.message];
  }
  return { body, problems };
}

/** Fill the fields from a container's JSON. */
export function fillOptions(container) {
  const like = splitMain(container);
  for (const field of $$("[data-option]")) KINDS[field.dataset.kind][1](field, like[field.dataset.option]);
  for (const text of like.networks ?? []) addNetwork(readJoining(text));
  fillSecurity(like.security_opt);
  fillHealth(like.healthcheck);
}

/** The words of a docker line for these options; a profile is named as a file, as docker takes it. */
export function optionWords(body) {
  const words = [];
  if (body.entrypoint?.length) words.push("--entrypoint", quoteWord(body.entrypoint[0]));
  for (const [name, flag] of Object.entries(FLAGS)) {
    const value = body[name];
    if (name === "expose") words.push(...networkWords(body).words);
    if (value === undefined || value === false) continue;
    if (value === true) words.push(flag);
    else if (Array.isArray(value)) for (const one of value) words.push(flag, quoteWord(one.startsWith("seccomp={") ? `seccomp=${CONTENT}` : one));
    else if (typeof value === "object") for (const [key, text] of Object.entries(value)) words.push(flag, quoteWord(`${key}=${text}`));
    else if (SIZES.has(name) && value > 0) words.push(flag, value % MIB ? `${value}b` : `${value / MIB}m`);
    else words.push(flag, quoteWord(String(value)));
  }
  for (const [name, flag] of Object.entries(FILES)) if (body[name]) words.push(...flag);
  return [...words, ...healthWords(body.healthcheck)];
}

/** What docker does only once the container is there. */
export function afterCommand(body) {
  return networkWords(body).after;
}

/** Docker's entrypoint is one word; what follows it comes before the command. */
export function beforeCommand(body) {
  return body.entrypoint?.slice(1) ?? [];
}

/** Each group says how many of its fields are changed; a profile's field is there only when it is chosen. */
export function showFolds() {
  for (const fold of $$("[data-fold]")) {
    const changed = $$("[data-option], [data-security], [data-health], .pair", fold).filter(isChanged).length;
    const pill = $("[data-changed]", fold);
    pill.hidden = changed === 0;
    setText(pill, `${changed} changed`);
  }
  $("[data-profile]").hidden = $("#seccomp").value !== "profile";
  showModes();
  showHealth();
}

function isChanged(field) {
  if (field.matches(".pair")) return true;
  if (field.closest("[data-joined][hidden]")) return false;
  if (field.type === "checkbox") return field.checked;
  return field.tagName === "SELECT" ? field.value !== (field.dataset.default ?? "") : field.value.trim() !== "" && field.id !== "profile";
}

export function openChanged() {
  showFolds();
  for (const fold of $$("[data-fold]")) fold.open = !$("[data-changed]", fold).hidden;
}

/** The runtimes that the host has; one that was chosen stays, whatever the host says. */
export function offerRuntimes(runtimes) {
  const field = $("#runtime");
  const chosen = field.value;
  field.replaceChildren(field.options[0], ...runtimes.filter((one) => !one.problem).map((one) => new Option(one.version ? `${one.name} ${one.version}` : one.name, one.name)));
  choose(field, chosen);
}
