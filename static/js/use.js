// What each container of a list uses now, with the last minute as a line: one socket for all rows, which is told the
// rows that run.
import { $, $$, el, setText } from "./dom.js";
import { percent, size } from "./format.js";
import { ReturningSocket } from "./socket.js";

const KEEP = 30;
const PERIOD = 2;
const WIDTH = 60;
const HEIGHT = 22;
const ALIVE = new Set(["running", "paused", "restarting"]);
const SVG = "http://www.w3.org/2000/svg";

const samples = new Map(); // by container: [{at, cpu_percent, memory_bytes, memory_limit_bytes}]
let watched = "";

const socket = new ReturningSocket("/ws/containers/stats/", {
  onState: (state) => state === "live" && tell(),
  onMessage(message) {
    if (message.type === "history") message.samples.forEach(keep);
    else if (message.type === "sample") keep(message.sample);
    for (const row of rows()) show(row);
  },
});

const rows = () => $$("tr[data-id]:has([data-use])");
const running = () => rows().filter((row) => ALIVE.has(row.dataset.status)).map((row) => row.dataset.id);

export function startUse() {
  watchUse();
}

/** The rows have changed: ask for those that run, show what is known of them. */
export function watchUse() {
  const wanted = running();
  for (const id of samples.keys()) if (!wanted.includes(id)) samples.delete(id);
  for (const row of rows()) show(row);
  if (wanted.join() === watched) return;
  watched = wanted.join();
  if (socket.socket?.readyState === WebSocket.OPEN) tell();
  else if (watched) socket.open();
}

function tell() {
  socket.socket.send(JSON.stringify({ watch: watched ? watched.split(",") : [] }));
}

/** Of hosts that come twice (after a reconnection) the newest alone is news. */
function keep({ at, containers }) {
  for (const [id, figures] of Object.entries(containers)) {
    const known = samples.get(id) ?? [];
    if (known.length && known.at(-1).at >= at) continue;
    known.push({ at, ...figures });
    samples.set(id, known.slice(-KEEP));
  }
}

function show(row) {
  const place = $("[data-use]", row);
  const known = ALIVE.has(row.dataset.status) ? samples.get(row.dataset.id) : null;
  if (!known?.length) {
    if (!$(".faint", place)) place.replaceChildren(el("span", { class: "faint" }, "–"));
    return;
  }
  const now = known.at(-1);
  if (!$(".use", place)) place.replaceChildren(el("div", { class: "use" }, line(), el("div", {}, el("span", { class: "use-cpu" }), el("span", { class: "use-memory" }))));
  $("path", place).setAttribute("d", path(known));
  setText($(".use-cpu", place), percent(now.cpu_percent ?? 0));
  setText($(".use-memory", place), size(now.memory_bytes));
  const share = now.memory_limit_bytes ? now.memory_bytes / now.memory_limit_bytes : 0;
  $(".use-memory", place).classList.toggle("use-tight", share > 0.9);
  $(".use", place).title = now.memory_limit_bytes ? `${size(now.memory_bytes)} of ${size(now.memory_limit_bytes)}` : "";
}

function line() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("class", "use-line");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "path"));
  return svg;
}

/** CPU over the last minute, the newest at the right; never so steep that idling looks like work. */
function path(known) {
  const last = known.at(-1).at;
  const top = Math.max(5, ...known.map((sample) => sample.cpu_percent ?? 0));
  const point = ({ at, cpu_percent: cpu }) => {
    const x = WIDTH - ((last - at) / (KEEP * PERIOD)) * WIDTH;
    return `${x.toFixed(1)} ${(HEIGHT - 1 - ((cpu ?? 0) / top) * (HEIGHT - 2)).toFixed(1)}`;
  };
  return `M${known.map(point).join("L")}`;
}
