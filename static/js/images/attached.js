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
    this.#say(attachments.length
      ? keys.size ? `Signed by ${keys.size === 1 ? "a key" : `${keys.size} keys`} of the team. What is here goes along when the image is pushed.` : "No key of the team has signed it. What is here goes along when the image is pushed."
      : "Nothing is stated about it. A build can attach a list of its software, how it was built, and a signature.");
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
