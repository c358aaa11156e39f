// From what REST says of hosts, networks and containers to the nodes and links of one picture.
//
// A node: {key, kind: host|network|container|more|port, column, ...what is shown}. A link joins two keys. What is far
// too much for a picture is folded: a network shows the containers that matter most, and a card for the others.
import { stateOf } from "../rows.js";

export const SHOWN = 8;
const FOLD_ABOVE = 12;
const PORTS_SHOWN = 2;
const ALIVE = new Set(["running", "paused", "restarting"]);
const HUES = 8;
const OWN = { host: "the host's own network", none: "no network" };

/** `unfolded` has the keys of networks that show all; without `stopped` only what lives is there. */
export function graphOf(topology, { unfolded, stopped }) {
  const graph = { hosts: [], nodes: new Map(), links: [], count: { containers: 0, networks: 0 } };
  const hosts = [...topology.results].sort((a, b) => b.online - a.online || a.name.localeCompare(b.name, "en", { numeric: true }));
  for (const host of hosts) graph.hosts.push(hostOf(graph, host, { unfolded, stopped }));
  return graph;
}

function hostOf(graph, host, wish) {
  const node = put(graph, { key: `h${host.id}`, kind: "host", name: host.name, online: host.online, href: `/hosts/${host.id}/` });
  const boxes = host.containers.filter((one) => wish.stopped || ALIVE.has(one.status));
  node.fallback = `${boxes.length} container${boxes.length === 1 ? "" : "s"}`;
  const networks = networksOf(host, boxes);
  const keyed = new Map(networks.map((network) => [network.key, network]));
  for (const box of boxes) {
    const links = linksOf(host, box);
    (keyed.get(links[0]?.network) ?? keyed.get(ownKey(host, box)))?.members.push(box);
    for (const { network } of links.length ? links : [{ network: ownKey(host, box) }]) if (keyed.has(network)) keyed.get(network).size += 1;
  }
  node.networks = networks.map((network, index) => networkOf(graph, host, node, network, index, wish));
  for (const box of boxes) furtherLinks(graph, host, box);
  graph.count.containers += boxes.length;
  graph.count.networks += host.networks.length;
  return node;
}

/** The default network first, then those of a name; last what is no network but a way to be without. */
function networksOf(host, boxes) {
  const found = [];
  const has = (mode) => boxes.some((box) => box.mode === mode && (mode !== "bridge" || box.links.some((link) => link.network === null)));
  if (has("bridge") || !host.networks.length) found.push({ key: `n-default-${host.id}`, name: "default network", about: "", size: 0, members: [] });
  for (const one of host.networks) found.push({ key: `n${one.id}`, name: one.name, about: aboutOf(one), internal: one.internal, href: `/networks/${one.id}/`, size: 0, members: [] });
  for (const mode of ["host", "none"]) if (has(mode)) found.push({ key: `n-${mode}-${host.id}`, name: OWN[mode], about: "", apart: mode, size: 0, members: [] });
  const orphans = boxes.some((box) => !box.shares && box.mode === "bridge" && !box.links.length) || boxes.some((box) => box.shares && !boxes.some((other) => other.id === box.shares));
  if (orphans && !has("none")) found.push({ key: `n-none-${host.id}`, name: OWN.none, about: "", apart: "none", size: 0, members: [] });
  return found;
}

function aboutOf(network) {
  const wire = network.parent ? `${network.driver} on ${network.parent}` : "";
  return [network.subnet || network.subnet6 || "", wire].filter(Boolean).join(" · ");
}

/** Links with the keys of their networks; one that shares another's network has its place beside that one. */
function linksOf(host, box) {
  const owner = box.shares && host.containers.find((other) => other.id === box.shares);
  const links = (owner ?? box).links;
  return links.map((link) => ({ ...link, network: link.network === null ? `n-default-${host.id}` : `n${link.network}` }));
}

const ownKey = (host, box) => `n-${box.mode === "host" ? "host" : "none"}-${host.id}`;

function networkOf(graph, host, parent, network, index, wish) {
  const node = put(graph, { ...network, kind: "network", hue: network.apart ? "apart" : String(index % HUES), members: undefined });
  graph.links.push({ key: `${parent.key}>${node.key}`, from: parent.key, to: node.key, hue: node.hue, walled: network.internal || network.apart === "none" });
  const ordered = inOrder(network.members, host);
  const isFolded = ordered.length > FOLD_ABOVE && !wish.unfolded.has(node.key);
  const shown = isFolded ? keepTogether(ordered, SHOWN) : ordered;
  node.children = shown.map((box) => boxOf(graph, host, node, box));
  if (ordered.length > FOLD_ABOVE) node.children.push(moreOf(graph, node, ordered.slice(shown.length), isFolded));
  return node;
}

/** Living ones first, those that the world or several networks reach before the others; sharers follow their owner. */
function inOrder(members, host) {
  const weight = (box) => (ALIVE.has(box.status) ? 0 : 8) + (box.ports.length ? 0 : 2) + (box.links.length > 1 ? 0 : 1);
  const owners = members.filter((box) => !box.shares || !members.some((other) => other.id === box.shares));
  owners.sort((a, b) => weight(a) - weight(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
  return owners.flatMap((owner) => [owner, ...members.filter((box) => box.shares === owner.id && !owners.includes(box))]);
}

/** At least `count`, and no owner apart from who shares with it. */
function keepTogether(ordered, count) {
  let end = count;
  while (end < ordered.length && ordered[end].shares) end += 1;
  return ordered.slice(0, end);
}

function boxOf(graph, host, network, box) {
  const links = linksOf(host, box);
  const node = put(graph, {
    key: `c${box.id}`, kind: "container", id: box.id, name: box.name, state: stateOf(box), health: box.health,
    href: `/containers/${box.id}/`, network: network.key, alive: ALIVE.has(box.status), hue: network.hue,
    address: links[0]?.ip ?? links[0]?.ip6 ?? "", shares: box.shares, interfaces: links.map((link) => link.interface),
  });
  node.ports = portsOf(graph, node, box);
  const owner = box.shares && graph.nodes.has(`c${box.shares}`) ? `c${box.shares}` : null;
  if (owner) graph.links.push({ key: `${owner}=${node.key}`, from: owner, to: node.key, kind: "shared", hue: network.hue });
  else graph.links.push({ key: `${network.key}>${node.key}`, from: network.key, to: node.key, hue: network.hue, container: box.id, interface: links[0]?.interface, only: links.length < 2, alive: node.alive, walled: network.apart === "none" });
  return node;
}

/** The second and further networks of a container, once all nodes are there. */
function furtherLinks(graph, host, box) {
  const node = graph.nodes.get(`c${box.id}`);
  if (!node || box.shares) return;
  for (const link of linksOf(host, box).slice(1)) {
    const network = graph.nodes.get(link.network);
    if (network) graph.links.push({ key: `${network.key}>${node.key}`, from: network.key, to: node.key, hue: network.hue, container: box.id, interface: link.interface, only: false, alive: node.alive, further: true });
  }
  node.networks = box.links.length;
}

function portsOf(graph, node, box) {
  const published = box.ports.filter((port) => port.host);
  const shown = published.slice(0, published.length > PORTS_SHOWN ? PORTS_SHOWN - 1 : PORTS_SHOWN).map((port) => {
    const open = !port.address.startsWith("127.") && port.address !== "::1";
    return put(graph, { key: `p${box.id}-${port.address}-${port.host}-${port.protocol}`, kind: "port", port, open, href: portHref(port), name: `${port.host} → ${port.container}${port.protocol === "tcp" ? "" : `/${port.protocol}`}`, of: node.key });
  });
  const rest = published.length - shown.length;
  if (rest) shown.push(put(graph, { key: `p${box.id}-more`, kind: "port", name: `+ ${rest} more`, href: node.href, of: node.key, open: published.slice(shown.length).some((port) => !port.address.startsWith("127.")) }));
  for (const one of shown) graph.links.push({ key: `${node.key}>${one.key}`, from: node.key, to: one.key, kind: "port", hue: node.hue });
  return shown;
}

function portHref(port) {
  if (port.protocol !== "tcp") return null;
  const here = ["0.0.0.0", "::", "::1"].includes(port.address) || port.address.startsWith("127.");
  return `http://${here ? location.hostname : port.address.includes(":") ? `[${port.address}]` : port.address}:${port.host}/`;
}

function moreOf(graph, network, hidden, isFolded) {
  const alive = hidden.filter((box) => ALIVE.has(box.status)).length;
  const node = put(graph, {
    key: `m${network.key}`, kind: "more", of: network.key, isFolded, hue: network.hue, hidden: hidden.map((box) => box.id), ports: [],
    name: isFolded ? `${hidden.length} more` : "Show fewer", about: isFolded ? [alive && `${alive} running`, hidden.length - alive && `${hidden.length - alive} stopped`].filter(Boolean).join(", ") : "",
  });
  graph.links.push({ key: `${network.key}>${node.key}`, from: network.key, to: node.key, hue: network.hue, many: isFolded ? node.hidden : [], alive: alive > 0 });
  return node;
}

function put(graph, node) {
  graph.nodes.set(node.key, node);
  return node;
}
