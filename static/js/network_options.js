// The networks that a new container joins: the modes, the host's networks of a name, and further ones in rows.
import { $, $$, setText } from "./dom.js";
import { quoteWord } from "./shell.js";

const MODES = new Set(["bridge", "none", "host", "container:", "default"]);
/** The words of a joining, as docker calls them in its long form. */
const PARTS = { ip: "ip", ip6: "ip6", mac: "mac-address" };
let networks = [];

export const isNamed = (mode) => Boolean(mode) && !MODES.has(mode) && !mode.startsWith("container:");

/** `NAME:ip=…,ip6=…,mac=…,alias=…` to {name, ip, ip6, mac, aliases}; as engine/options/networks.py. */
export function readJoining(text) {
  let [name, rest] = /^([^:]*)(?::([^]*))?$/.exec(text).slice(1);
  if (name.includes("=")) [name, rest] = ["", text];
  const joining = { name, ip: "", ip6: "", mac: "", aliases: [] };
  for (const part of (rest ?? "").split(",").filter(Boolean)) {
    const [key, value] = [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)];
    if (key === "alias") joining.aliases.push(value);
    else if (key === "name" || key === "network") joining.name = value;
    else joining[key.startsWith("mac") ? "mac" : key] = value;
  }
  return joining;
}

/** `key=value` of all that is chosen; `words` says what each is called. */
function parts(joining, words) {
  const chosen = Object.keys(PARTS).filter((name) => joining[name]).map((name) => `${words[name] ?? name}=${joining[name]}`);
  return [...chosen, ...joining.aliases.map((alias) => `alias=${alias}`)];
}

function writeJoining(joining) {
  const found = parts(joining, {});
  return found.length ? `${joining.name}:${found.join(",")}` : joining.name;
}

const names = (text) => text.split(/[\s,]+/).filter(Boolean);
const rows = () => $$('[data-pairs="networks"] .pair');

function ofRow(row) {
  const text = (part) => $(`[data-${part}]`, row).value.trim();
  const addresses = names(text("ip")); // one field for both kinds
  const ip6 = addresses.find((one) => one.includes(":")) ?? "";
  const ip = addresses.find((one) => !one.includes(":")) ?? "";
  return { name: text("network"), ip, ip6, mac: text("mac"), aliases: names(text("aliases")) };
}

/** What the rows say, into `body`; what goes only with a network of a name is left out without one. */
export function readNetworks(body, problems) {
  if (!isNamed(body.network)) for (const name of ["ip", "ip6", "mac_address", "network_alias", "link"]) delete body[name];
  if (!maySeveral(body.network ?? "bridge")) return;
  const joined = rows().map(ofRow);
  if (joined.some((one) => !one.name)) problems.networks = ["Choose a network for each row, or take the row away."];
  const found = joined.filter((one) => one.name).map(writeJoining);
  if (found.length) body.networks = found;
}

const maySeveral = (mode) => mode === "bridge" || isNamed(mode);

/** The main one may come with its details behind a colon: they go into their own fields. */
export function splitMain(like) {
  if (!isNamed(like.network)) return like;
  const main = readJoining(like.network);
  return {
    ...like, network: main.name, ip: like.ip ?? (main.ip || null), ip6: like.ip6 ?? (main.ip6 || null), mac_address: like.mac_address ?? (main.mac || null),
    network_alias: [...main.aliases, ...(like.network_alias ?? [])],
  };
}

/** Docker's words for further networks: what it can't do at once is done after (`after`), by the container's name. */
export function networkWords(body) {
  const joined = (body.networks ?? []).map(readJoining);
  if (isNamed(body.network)) return { words: joined.flatMap((one) => ["--network", quoteWord(longForm(one))]), after: "" };
  const name = body.name ? quoteWord(body.name) : "NAME";
  return { words: [], after: joined.map((one) => ` && docker network connect ${connectWords(one)}${quoteWord(one.name)} ${name}`).join("") };
}

function longForm(joining) {
  const found = parts(joining, PARTS);
  return found.length ? [`name=${joining.name}`, ...found].join(",") : joining.name;
}

function connectWords({ ip, ip6, aliases }) {
  return [ip && `--ip ${quoteWord(ip)} `, ip6 && `--ip6 ${quoteWord(ip6)} `, ...aliases.map((alias) => `--alias ${quoteWord(alias)} `)].filter(Boolean).join("");
}

/** A row for one more network; `joining` as readJoining gives it. */
export function addNetwork(joining = null) {
  const row = $("#networks-row").content.firstElementChild.cloneNode(true);
  $('[data-pairs="networks"]').append(row);
  offer($("[data-network]", row), joining?.name ?? free());
  if (joining) {
    $("[data-ip]", row).value = [joining.ip, joining.ip6].filter(Boolean).join(" ");
    $("[data-mac]", row).value = joining.mac;
    $("[data-aliases]", row).value = joining.aliases.join(" ");
  }
  return row;
}

/** The first network that nothing is on yet. */
function free() {
  const taken = new Set([$("#network").value, ...rows().map((row) => $("[data-network]", row).value)]);
  return networks.find((one) => !taken.has(one.name))?.name ?? "";
}

function offer(select, chosen) {
  const group = $("optgroup", select);
  const missing = chosen && isNamed(chosen) && !networks.some((one) => one.name === chosen);
  group.replaceChildren(...networks.map((one) => new Option(`${one.name} · ${one.subnet}`, one.name)), ...(missing ? [new Option(`${chosen} · not on this host`, chosen)] : []));
  group.hidden = !group.children.length;
  if (chosen) select.value = chosen;
}

/** Another host has other networks; what was chosen stays to be seen. */
export function offerNetworks(found) {
  networks = found;
  offer($("#network"), $("#network").value);
  for (const row of rows()) offer($("[data-network]", row), $("[data-network]", row).value);
  showNetworks();
}

/** Choose a network that may not be offered. */
export function chooseNetwork(name) {
  offer($("#network"), name);
}

/** The details of the main network are there for one of a name; each address field says where addresses come from. */
export function showNetworks() {
  const mode = $("#network").value;
  $("[data-joined]").hidden = !isNamed(mode);
  const several = maySeveral(mode) && (networks.length > 0 || rows().length > 0);
  for (const part of $$("[data-further]")) part.hidden = !several;
  hint($("#ip"), mode);
  for (const row of rows()) hint($("[data-ip]", row), $("[data-network]", row).value);
  const main = networks.find((one) => one.name === mode);
  $("[data-joined6]").hidden = !main?.ipv6 && !$("#ip6").value;
  setText($("[data-network-help]"), main ? said(main) : "");
}

function hint(field, name) {
  const network = networks.find((one) => one.name === name);
  field.placeholder = network ? `a free one of ${network.subnet}` : "a free one";
}

function said(network) {
  const parts = [`${network.free.toLocaleString("en")} of ${network.size.toLocaleString("en")} addresses are free.`];
  if (network.internal) parts.push("It is internal: no way out or in.");
  if (!network.icc) parts.push("Containers on it reach one another by published ports alone.");
  return parts.join(" ");
}

