// Other limits, ports and labels for a container, with what it uses beside them; the dialog stays until its host has
// made the change.
import { Problem, api, attempt } from "./api.js";
import { $, $$, setText } from "./dom.js";
import { labelChanges, labelLines, portChanges, portLine } from "./lines.js";
import { jobEnd } from "./live.js";
import { toast } from "./toast.js";

const MIB = 1 << 20;
const LINES = { ports: portChanges, labels: labelChanges };

/** `dialog` holds fields with data-limit (REST's name) and data-kind: mib, number, text, lines, ports or labels. */
export class LimitsDialog {
  #before = {};

  constructor(dialog, containerId) {
    this.dialog = dialog;
    this.id = containerId;
    this.form = $("form", dialog);
    this.form.addEventListener("submit", (event) => this.#submit(event));
    this.#field("restart").addEventListener("change", () => this.#showTimes());
  }

  async open() {
    const container = await attempt("GET", `containers/${this.id}/`);
    if (!container) return;
    for (const input of this.#fields()) input.value = written(container[input.dataset.limit], input.dataset.kind);
    this.#before = Object.fromEntries(this.#fields().map((input) => [input.dataset.limit, input.value]));
    this.#complain({});
    this.#showTimes();
    const more = $("[data-more]", this.dialog);
    more.open = this.#fields().some((input) => more.contains(input) && input.value);
    this.dialog.showModal();
  }

  #fields() {
    return $$("[data-limit]", this.dialog);
  }

  #field(name) {
    return $(`[data-limit="${name}"]`, this.dialog);
  }

  #showTimes() {
    const isLimited = this.#field("restart").value === "on-failure";
    $("[data-restart-limit]", this.dialog).hidden = !isLimited;
    if (!isLimited) this.#field("restart_limit").value = "";
  }

  /** What differs from when the dialog was opened, as REST takes it. */
  #changes() {
    const changes = {};
    const problems = {};
    for (const input of this.#fields()) {
      const { limit, kind } = input.dataset;
      const text = input.value.trim();
      if (text === this.#before[limit]) continue;
      if (LINES[kind]) {
        const read = LINES[kind](this.#before[limit], text);
        Object.assign(changes, read.changes);
        if (read.problem) problems[limit] = [read.problem];
        continue;
      }
      changes[limit] = read(text, kind);
      if (Number.isNaN(changes[limit])) problems[limit] = ["Give a number, or leave it empty."];
    }
    return { changes, problems };
  }

  async #submit(event) {
    event.preventDefault();
    const { changes, problems } = this.#changes();
    this.#complain(problems);
    if (Object.keys(problems).length) return;
    if (!Object.keys(changes).length) return this.dialog.close("no");
    const button = $("[data-submit]", this.dialog);
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      const { job } = await api("POST", `containers/${this.id}/update/`, changes);
      const end = await jobEnd(job.id, () => api("GET", job.url));
      if (end.status === "succeeded") {
        this.dialog.close("yes");
        toast("The container is changed.");
      } else {
        this.#complain({ [end.error?.detail?.field ?? ""]: [end.error?.message ?? "It failed."] });
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#complain(Object.keys(problem.fields).length ? problem.fields : { "": [problem.message] });
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  #complain(fields) {
    for (const place of $$("[data-problem]", this.dialog)) setText(place, "");
    for (const input of this.#fields()) input.removeAttribute("aria-invalid");
    for (const [path, texts] of Object.entries(fields)) {
      const name = path.replace(/^(add|remove)_/, "").split(".")[0];
      const place = $(`[data-problem="${CSS.escape(name)}"]`, this.dialog) ?? $('[data-problem=""]', this.dialog);
      setText(place, texts.join(" "));
      this.#field(CSS.escape(name))?.setAttribute("aria-invalid", "true");
    }
    const first = $("[aria-invalid]", this.dialog);
    const folded = first?.closest("details");
    if (folded) folded.open = true;
    first?.focus();
  }
}

function written(value, kind) {
  if (kind === "ports") return (value ?? []).map(portLine).join("\n");
  if (kind === "labels") return labelLines(value);
  if (value === null || value === undefined) return "";
  if (kind === "lines") return value.join("\n");
  return String(kind === "mib" && value > 0 ? value / MIB : value);
}

function read(text, kind) {
  if (kind === "lines") return text.split("\n").map((line) => line.trim()).filter(Boolean);
  if (text === "") return null;
  if (kind === "text") return text;
  const number = Number(text.replace(",", "."));
  return kind === "mib" && number > 0 ? Math.round(number * MIB) : number;
}
