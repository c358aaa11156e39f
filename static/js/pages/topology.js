// The live picture of networks: asked for anew when something changes on a host, with the traffic of every link.
import { Problem, api } from "../api.js";
import { $, pageData, setText } from "../dom.js";
import { onChange, onReset } from "../live.js";
import { Picture } from "../topology/draw.js";
import { Keys } from "../topology/keys.js";
import { layout } from "../topology/layout.js";
import { graphOf } from "../topology/model.js";
import { Traffic } from "../topology/traffic.js";

const PAUSE_MS = 250;
const TRIES = 6; // browsers break off what they load when the machine's network changes, which is what this is about
const STOPPED = "portside.topology.stopped";
const place = $("#topology");
const picture = new Picture($("svg", place));
const traffic = new Traffic(showTraffic);
const keys = new Keys(picture, toggle);
const unfolded = new Set();
const stopped = $("#show-stopped");
let topology = pageData("topology-data");
let graph = null;
let timer = 0;
let asking = false;
let askAgain = false;
let failures = 0;

function show() {
  graph = graphOf(topology, { unfolded, stopped: stopped.checked });
  picture.show(graph, layout(graph, Math.max(280, place.clientWidth)));
  keys.refresh();
  traffic.watch(topology.results.flatMap((host) => host.containers.filter((one) => one.status === "running").map((one) => one.id)));
  const { containers, networks } = graph.count;
  setText($("[data-count]"), `${containers} container${containers === 1 ? "" : "s"} on ${networks} network${networks === 1 ? "" : "s"}`);
  const isEmpty = !topology.results.some((host) => host.containers.length || host.networks.length);
  $("#topology-empty").hidden = !isEmpty;
  place.hidden = isEmpty;
  showTraffic();
}

function showTraffic() {
  if (!graph) return;
  const running = (host) => topology.results.find((one) => `h${one.id}` === host)?.containers.map((one) => one.id) ?? [];
  const ofLink = (link) => (link.container ? traffic.rate(link.container, link.interface, link.only) : link.many ? traffic.sum(link.many) : ofNetwork(link.to));
  picture.showTraffic(ofLink, (node) => (node.kind === "container" ? traffic.rate(node.id) : node.kind === "host" ? traffic.sum(running(node.key)) : node.kind === "network" ? ofNetwork(node.key) : null));
}

/** Between a host and a network: what all on it receive and send there. */
function ofNetwork(key) {
  let sum = null;
  for (const link of graph.links) {
    if (link.from !== key || link.kind) continue;
    const one = link.container ? traffic.rate(link.container, link.interface, link.only) : traffic.sum(link.many ?? []);
    if (one) sum = { rx: (sum?.rx ?? 0) + one.rx, tx: (sum?.tx ?? 0) + one.tx };
  }
  return sum;
}

function toggle(key) {
  const { of, isFolded } = graph.nodes.get(key);
  if (isFolded) unfolded.add(of);
  else unfolded.delete(of);
  show();
  picture.element(key)?.focus({ preventScroll: true });
}

/** Many changes come at once when a stack starts: one question for all. */
function askSoon() {
  if (!timer) timer = setTimeout(ask, PAUSE_MS * 2 ** failures);
}

async function ask() {
  timer = 0;
  if (asking) {
    askAgain = true;
    return;
  }
  asking = true;
  try {
    topology = await api("GET", `networks/topology/${location.search}`);
    failures = 0;
    show();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    // The page says itself that the connection is lost, and what comes after it asks again.
    failures = problem.status === 0 && failures < TRIES ? failures + 1 : 0;
  } finally {
    asking = false;
    if (askAgain || failures) {
      askAgain = false;
      askSoon();
    }
  }
}

try {
  stopped.checked = localStorage.getItem(STOPPED) !== "hidden";
} catch {
  // Without storage it is as it was made.
}
stopped.addEventListener("change", () => {
  try {
    localStorage.setItem(STOPPED, stopped.checked ? "shown" : "hidden");
  } catch {
    // Then it is for this visit.
  }
  show();
});
for (const kind of ["container", "network"]) onChange(kind, askSoon);
// A host is told of with every beat of its heart; here it matters whether it is there.
onChange("host", ({ object_id: id, object }) => {
  const known = topology.results.find((host) => host.id === id);
  if (!object || !known || known.online !== object.online || known.name !== object.name) askSoon();
});
onReset(askSoon);
new ResizeObserver(() => place.clientWidth && graph && picture.size.width !== Math.max(280, place.clientWidth) && show()).observe(place);
show();
