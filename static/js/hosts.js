// The bars of a host: its own stats socket, one message every two seconds while the page is open.
import { $, $$, setText } from "./dom.js";
import { percent, share } from "./format.js";
import { ReturningSocket } from "./socket.js";

const started = new Map();

/** Give every [data-host-stats] on the page its socket; those that are gone are closed. */
export function startHostMeters() {
  const wanted = new Map($$('[data-online="yes"] [data-host-stats]').map((meters) => [meters.dataset.hostStats, meters]));
  for (const [id, entry] of started) {
    if (!wanted.has(id)) {
      entry.socket.close();
      started.delete(id);
    }
  }
  for (const [id, meters] of wanted) {
    const entry = started.get(id);
    if (entry) {
      entry.meters = meters;
      if (entry.last) show(meters, entry.last);
    } else {
      open(id, meters);
    }
  }
}

function open(id, meters) {
  const entry = { meters, last: null, socket: null };
  entry.socket = new ReturningSocket(`/ws/hosts/${encodeURIComponent(id)}/stats/`, {
    onMessage(message) {
      const sample = message.type === "history" ? message.samples.at(-1) : message.sample;
      if (!sample) return;
      entry.last = sample;
      show(entry.meters, sample);
    },
  });
  started.set(id, entry);
  entry.socket.open();
}

function show(meters, sample) {
  bar(meters, "cpu", sample.cpu_percent, 100, percent(sample.cpu_percent));
  bar(meters, "memory", sample.memory_used_bytes, sample.memory_total_bytes, share(sample.memory_used_bytes, sample.memory_total_bytes));
  if (sample.disk_total_bytes) {
    bar(meters, "disk", sample.disk_total_bytes - sample.disk_free_bytes, sample.disk_total_bytes, share(sample.disk_total_bytes - sample.disk_free_bytes, sample.disk_total_bytes));
  }
}

function bar(meters, name, value, most, text) {
  const progress = $(`[data-bar="${name}"]`, meters);
  if (!progress || value === undefined || value === null) return;
  progress.max = most || 1;
  progress.value = value;
  const share = most ? value / most : 0;
  progress.classList.toggle("bad", share > 0.92);
  progress.classList.toggle("warn", share > 0.78 && share <= 0.92);
  setText($(`[data-stat="${name}"]`, meters), text);
}
