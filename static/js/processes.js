// The processes of a container: the site says them again every two seconds, while they are looked at.
import { api, attempt } from "./api.js";
import { $, $$, el, icon, setText } from "./dom.js";
import { percent, size } from "./format.js";
import { jobEnd } from "./live.js";
import { ReturningSocket } from "./socket.js";
import { timeElement } from "./time.js";
import { toast } from "./toast.js";

const SINKING = new Set(["cpu_percent", "memory_bytes", "started_at"]);

export class ProcessTable {
  #processes = [];
  #sort = { by: "cpu_percent", sinks: true };
  #running = false;
  #shown = false;

  constructor(root, containerId) {
    this.root = root;
    this.id = containerId;
    this.note = $("[data-processes-note]", root);
    this.socket = new ReturningSocket(`/ws/containers/${containerId}/top/`, {
      onMessage: (message) => this.#receive(message),
      onState: (state) => state === "waiting" && this.#running && this.#say("The host does not answer just now."),
    });
    $("[data-processes]", root).addEventListener("click", (event) => this.#signal(event.target.closest("[data-signal]")));
    $("thead", root).addEventListener("click", (event) => this.#choose(event.target.closest("[data-sort]")));
    document.addEventListener("visibilitychange", () => this.#follow());
  }

  /** Whether the tab is looked at. */
  show(shown) {
    this.#shown = shown;
    this.#follow();
  }

  setRunning(running) {
    this.#running = running;
    this.#follow();
  }

  #follow() {
    if (this.#shown && this.#running && !document.hidden) return this.socket.open();
    this.socket.close();
    if (this.#running) return;
    this.#processes = [];
    this.#draw();
    this.#say("Nothing runs in it. Start it, then see its processes here.");
  }

  #receive(message) {
    if (message.type === "error") return this.#say(message.error.message);
    this.#say("");
    this.#processes = message.processes;
    this.#draw();
  }

  #say(text) {
    setText(this.note, text);
  }

  #choose(button) {
    if (!button) return;
    const by = button.dataset.sort;
    this.#sort = { by, sinks: this.#sort.by === by ? !this.#sort.sinks : SINKING.has(by) };
    for (const head of $$("th", this.root)) head.removeAttribute("aria-sort");
    button.closest("th").setAttribute("aria-sort", this.#sort.sinks ? "descending" : "ascending");
    this.#draw();
  }

  /** The host makes sure that the number still is this process's. */
  async #signal(button) {
    if (!button) return;
    button.closest("details").open = false;
    const { hostPid, startedAt } = button.closest("tr").dataset;
    const wish = { host_pid: Number(hostPid), started_at: Number(startedAt), signal: button.dataset.signal };
    const answer = await attempt("POST", `containers/${this.id}/signal/`, wish);
    if (!answer?.job) return;
    const job = await jobEnd(answer.job.id, () => api("GET", answer.job.url));
    if (job.status !== "succeeded") toast(job.error?.message ?? "The signal was not sent.", { bad: true });
  }

  #draw() {
    const { by, sinks } = this.#sort;
    const sorted = this.#processes.toSorted((one, other) => {
      const order = typeof one[by] === "number" ? one[by] - other[by] : String(one[by]).localeCompare(String(other[by]));
      return (sinks ? -order : order) || one.pid - other.pid;
    });
    const body = $("[data-processes]", this.root);
    const rows = new Map($$("tr", body).map((row) => [row.dataset.process, row]));
    const kept = sorted.map((process) => fill(rows.get(keyOf(process)) ?? blank(process, "maySignal" in this.root.dataset), process));
    // Only what moved is moved, so that a selection of text outlives the next look.
    if (kept.length !== body.children.length || kept.some((row, index) => body.children[index] !== row)) body.replaceChildren(...kept);
  }
}

const keyOf = (process) => `${process.host_pid}-${Math.round(process.started_at)}`;

const SIGNALS = { SIGTERM: "Ask to end", SIGKILL: "Kill", SIGINT: "Interrupt", SIGHUP: "Hang up", SIGUSR1: "", SIGUSR2: "", SIGSTOP: "Stop", SIGCONT: "Go on" };

function signalMenu(process) {
  return el("td", {}, el("details", { class: "menu" },
    el("summary", { class: "button button-quiet button-icon", "aria-label": `Send a signal to ${process.pid}`, title: "Send a signal" }, icon("more")),
    el("div", { class: "menu-list" }, ...Object.entries(SIGNALS).map(([name, text]) => el("button", { type: "button", "data-signal": name }, text ? `${text} (${name})` : name)))));
}

function blank(process, maySignal) {
  const cell = (name, classes = "") => el("td", { class: classes || null, "data-field": name });
  const row = el("tr", { "data-process": keyOf(process), "data-host-pid": process.host_pid, "data-started-at": process.started_at },
    cell("pid", "numeric"), cell("user"), cell("cpu", "numeric"), cell("memory", "numeric"), cell("started", "wide small"), cell("state", "wide small"), cell("command", "command"));
  if (maySignal) row.append(signalMenu(process));
  $('[data-field="started"]', row).append(timeElement(new Date(process.started_at * 1000).toISOString()));
  return row;
}

function fill(row, process) {
  const put = (name, text) => setText($(`[data-field="${name}"]`, row), text);
  put("pid", process.pid);
  put("user", process.user);
  put("cpu", percent(process.cpu_percent));
  put("memory", size(process.memory_bytes));
  put("state", process.state);
  put("command", process.command);
  row.title = `PID ${process.host_pid} on the host, ${process.threads} thread${process.threads === 1 ? "" : "s"}`;
  return row;
}
