// An image of a container: the dialog stays until its host has made it.
import { Problem, api } from "./api.js";
import { $, $$, setText } from "./dom.js";
import { jobEnd } from "./live.js";
import { toast } from "./toast.js";

export class CommitDialog {
  constructor(dialog, containerId) {
    this.dialog = dialog;
    this.id = containerId;
    this.form = $("form", dialog);
    this.form.addEventListener("submit", (event) => this.#submit(event));
  }

  open() {
    this.#complain({});
    this.dialog.showModal();
  }

  async #submit(event) {
    event.preventDefault();
    const button = $("[data-submit]", this.dialog);
    if (button.getAttribute("aria-busy") === "true") return;
    this.#complain({});
    button.setAttribute("aria-busy", "true");
    try {
      const { reference, comment, changes, pause } = this.form.elements;
      const { job } = await api("POST", `containers/${this.id}/commit/`, {
        reference: reference.value.trim(),
        changes: changes.value.split("\n").map((line) => line.trim()).filter(Boolean),
        pause: pause.checked,
        ...(comment.value.trim() && { comment: comment.value.trim() }),
      });
      const end = await jobEnd(job.id, () => api("GET", job.url));
      if (end.status !== "succeeded") return this.#complain({ "": [end.error?.message ?? "It failed."] });
      this.dialog.close("yes");
      toast(`The image ${reference.value.trim()} is made.`, { href: "/images/", link: "Images" });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#complain(Object.keys(problem.fields).length ? problem.fields : { "": [problem.message] });
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  #complain(fields) {
    for (const place of $$("[data-problem]", this.dialog)) setText(place, "");
    for (const input of this.form.elements) input.removeAttribute("aria-invalid");
    for (const [name, texts] of Object.entries(fields)) {
      const base = name.split(".")[0];
      setText($(`[data-problem="${CSS.escape(base)}"]`, this.dialog) ?? $('[data-problem=""]', this.dialog), texts.join(" "));
      this.form.elements[base]?.setAttribute?.("aria-invalid", "true");
    }
    $("[aria-invalid]", this.dialog)?.focus();
  }
}
