// What has happened: one line an event, the newest first; what comes is put on top.
import { $, el } from "./dom.js";
import { ReturningSocket } from "./socket.js";
import { timeElement } from "./time.js";

const KEPT = 500;
const TONES = { die: "ended", destroy: "ended", oom: "bad", kill: "warn", start: "good", unpause: "good", pull: "good", push: "good", load: "good", import: "good", restart: "good", untag: "ended", delete: "ended", prune: "warn" };
const NAMED = new Set(["name", "image", "container", "execID"]);

export class ActivityList {
  #last;
  gone = new Set();

  /** `filters` go to the socket as they are; `last` is the id after which it begins, null for no live part. */
  constructor(root, { filters = {}, last = null }) {
    this.root = root;
    this.list = $("[data-events]", root);
    this.severalHosts = "severalHosts" in root.dataset;
    this.#last = last;
    this.socket = new ReturningSocket("/ws/activity/", {
      parameters: () => ({ ...filters, after: this.#last }),
      onMessage: (message) => message.type === "event" && this.#add(message.event),
    });
  }

  open() {
    if (this.#last !== null) this.socket.open();
  }

  close() {
    this.socket.close();
  }

  /** Show these, the newest first; `gone` are the containers that have no page any more. */
  show(events, gone = []) {
    this.gone = new Set(gone);
    this.list.replaceChildren(...events.map((event) => this.#row(event)));
    this.#settle();
  }

  #add(event) {
    if (event.id <= this.#last) return;
    this.#last = event.id;
    if (event.action === "destroy") this.gone.add(event.container);
    this.list.prepend(this.#row(event));
    while (this.list.children.length > KEPT) this.list.lastElementChild.remove();
    this.#settle();
  }

  #settle() {
    const empty = $("[data-empty]", this.root);
    if (empty) empty.hidden = this.list.children.length > 0;
  }

  #row(event) {
    const [verb, ...rest] = event.action.split(":");
    const detail = rest.join(":").trim();
    const row = el("li", { class: "activity-row", "data-tone": toneOf(event, verb, detail) },
      el("span", { class: "activity-verb" }, verb),
      subject(event, !this.gone.has(event.container)),
      el("span", { class: "activity-more" }, ...more(event, detail)));
    if (this.severalHosts) row.append(el("span", { class: "activity-host faint" }, event.host.name));
    row.append(el("span", { class: "activity-when faint" }, timeElement(event.at)));
    return row;
  }
}

function toneOf(event, verb, detail) {
  if (verb === "die" && !["0", "143"].includes(event.actor.attributes.exitCode)) return "bad";
  if (verb === "health_status") return detail === "healthy" ? "good" : detail === "unhealthy" ? "bad" : null;
  return TONES[verb] ?? null;
}

function subject(event, hasPage) {
  const { name, image } = event.actor.attributes;
  const text = name || event.actor.id.slice(0, 19);
  const what = el("span", { class: "activity-subject" });
  if (event.type === "container" && hasPage) what.append(el("a", { href: `/containers/${event.container}/` }, text));
  else what.append(text);
  if (event.type !== "container") what.append(el("span", { class: "faint" }, ` ${event.type}`));
  else if (image) what.append(el("span", { class: "faint" }, ` of ${image}`));
  return what;
}

function more(event, detail) {
  const found = detail ? [el("code", {}, detail)] : [];
  for (const [name, value] of Object.entries(event.actor.attributes)) {
    if (!NAMED.has(name) && isOurs(name)) found.push(el("span", {}, `${label(name)} ${value}`));
  }
  return found;
}

// Labels are among the attributes, as Docker has it; a line of them would say too much.
const OURS = { exitCode: "code", execDuration: "after seconds:", signal: "signal", oldName: "was", error: "", height: "rows", width: "columns", path: "" };
const isOurs = (name) => name in OURS;
const label = (name) => OURS[name];
