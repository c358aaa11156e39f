// What images and containers take on the disks of the hosts: one stacked bar a host, and each image's own share.
import { Problem, api } from "../api.js";
import { $, $$, el, setText } from "../dom.js";
import { size } from "../format.js";

const PARTS = [
  ["unique", "Images, in one only", (usage) => sum(usage.images, "unique_bytes")],
  ["shared", "Layers that images share", (usage) => Math.max(0, usage.layers_bytes - sum(usage.images, "unique_bytes"))],
  ["packed", "Downloads, packed", (usage) => usage.blobs_bytes + usage.ingests_bytes],
  ["written", "Written by containers", (usage) => usage.containers_bytes],
  ["logs", "Logs", (usage) => usage.logs_bytes],
];
const PAUSE_MS = 1000;
const known = new Map();
let timer = 0;

export function sum(items, name) {
  return items.reduce((total, item) => total + item[name], 0);
}

/** Measure soon; what comes close together is measured once. */
export function measureSoon() {
  if (!$("[data-disk-host]")) return;
  clearTimeout(timer);
  timer = setTimeout(measure, known.size ? PAUSE_MS : 0);
}

async function measure() {
  const places = $$("[data-disk-host]");
  const troubles = [];
  await Promise.all(places.map(async (place) => {
    try {
      known.set(place.dataset.diskHost, await api("GET", `hosts/${place.dataset.diskHost}/disk-usage/`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      troubles.push(places.length > 1 ? `${place.dataset.name}: ${problem.message}` : problem.message);
    }
  }));
  setText($("[data-disk-note]"), troubles.join(" "));
  const widest = Math.max(1, ...[...known.values()].map(total));
  for (const place of places) if (known.has(place.dataset.diskHost)) draw(place, known.get(place.dataset.diskHost), widest);
  if (known.size) drawLegend();
  fillRows();
}

function total(usage) {
  return PARTS.reduce((all, [, , bytes]) => all + bytes(usage), 0);
}

function draw(place, usage, widest) {
  const bar = $(".stacked", place);
  const parts = PARTS.map(([name, label, bytes]) => [name, label, bytes(usage)]).filter(([, , bytes]) => bytes > 0);
  bar.replaceChildren(...parts.map(([name, label, bytes]) => {
    const part = el("span", { class: `part part-${name}`, title: `${label}: ${size(bytes)}` });
    part.style.inlineSize = `${(bytes / widest) * 100}%`;
    return part;
  }));
  bar.setAttribute("aria-label", `${place.dataset.name}: ${parts.map(([, label, bytes]) => `${label} ${size(bytes)}`).join(", ")}`);
  setText($("[data-disk-sum]", place), size(total(usage)));
}

function drawLegend() {
  const usages = [...known.values()];
  const items = PARTS.map(([name, label, bytes]) => [name, label, usages.reduce((all, usage) => all + bytes(usage), 0)]);
  $("[data-disk-legend]").replaceChildren(...items.filter(([, , bytes]) => bytes > 0).map(([name, label, bytes]) =>
    el("li", {}, el("span", { class: `swatch part-${name}`, "aria-hidden": "true" }), label, el("span", { class: "faint" }, size(bytes)))));
}

/** Under each size in the list, what of it no other image has. */
export function fillRows() {
  for (const row of $$("tr[data-image]")) {
    const found = [...known.values()].flatMap((usage) => usage.images).find((image) => image.id === row.dataset.image);
    if (found) setText($("[data-own]", row), !found.shared_bytes ? "" : found.unique_bytes ? `${size(found.unique_bytes)} its own` : "all shared");
  }
}
