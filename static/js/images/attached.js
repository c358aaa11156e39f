// What is stated about an image: its software, how it was built, who has signed it; kept beside it on its host.
import { Problem, api } from "../api.js";
import { $, el, setText } from "../dom.js";
import { size } from "../format.js";
import { timeElement } from "../time.js";

const NAMES = { "sbom:spdx": "Its software, as SPDX", "sbom:cyclonedx": "Its software, as CycloneDX", provenance: "How it was built" };

export class Attached {
  #loaded = false;

  constructor(root, imageId) {
    this.root = root;
    this.id = imageId;
    $("[data-attached-ask]", root)?.addEventListener("click", (event) => this.#ask(event.currentTarget));
  }

  /** Signatures that are at the registries of its names, too: what was pulled has none here. */
  async #ask(button) {
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      this.#show(await api("GET", `images/${this.id}/attachments/?registries=true`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#say(problem.message);
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
  }

  async load() {
    if (this.#loaded) return;
    this.#loaded = true;
    this.#say("Asking the host …");
    try {
      this.#show(await api("GET", `images/${this.id}/attachments/`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#loaded = false;
      this.#say(problem.message);
    }
  }

  #show({ attachments, signed }) {
    const keys = new Set(signed.map((one) => one.key_id));
    const elsewhere = [...new Set(signed.map((one) => one.place).filter((place) => place !== "here"))];
    const by = keys.size ? `Signed by ${keys.size === 1 ? "a key" : `${keys.size} keys`} of the team${elsewhere.length ? `, as ${elsewhere[0]} has it` : ""}.` : "No key of the team has signed it.";
    this.#say(attachments.length ? `${by} What is here goes along when the image is pushed.`
      : keys.size ? by
      : "Nothing is stated about it here. A build can attach a list of its software, how it was built, and a signature.");
    const list = $("[data-attached-list]", this.root);
    list.hidden = attachments.length === 0;
    $("tbody", list).replaceChildren(...attachments.map((one) => el("tr", {},
      el("td", {}, this.#name(one, keys)),
      el("td", { class: "wide code small" }, one.subject.slice(7, 19)),
      el("td", { class: "wide small" }, timeElement(new Date(one.created_at * 1000).toISOString())),
      el("td", { class: "numeric small" }, size(one.size_bytes)),
      el("td", { class: "actions" }, el("a", { class: "button button-small", href: `/api/v1/images/${this.id}/attachments/${one.digest}/`, download: "" }, "Save")))));
  }

  #name(one, keys) {
    if (!one.slot.startsWith("signature:")) return NAMES[one.slot] ?? one.artifact_type;
    const key = one.slot.slice("signature:".length);
    return el("span", {}, "Signature by ", el("span", { class: "code" }, key.slice(0, 12)), " ", el("span", { class: keys.has(key) ? "pill pill-good" : "pill" }, keys.has(key) ? "verified" : "unknown key"));
  }

  #say(text) {
    setText($("[data-attached-note]", this.root), text);
  }
}
