// What a container added, changed and deleted of its image's files: asked for when somebody looks.
import { Problem, api } from "./api.js";
import { archiveUrl } from "./copying.js";
import { $, el, icon, setText } from "./dom.js";
import { size } from "./format.js";

const TONES = { added: "pill-good", changed: "pill-warn", deleted: "pill-bad" };
const SHOWN = 2000;

export class ChangedFiles {
  constructor(root, containerId) {
    this.root = root;
    this.id = containerId;
    this.path = `containers/${containerId}/changes/`;
    $("[data-files-again]", root).addEventListener("click", () => this.load());
  }

  async load() {
    const button = $("[data-files-again]", this.root);
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    try {
      this.#show(await api("GET", this.path));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#say(problem.message);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  #show({ changes, more }) {
    $("[data-files]", this.root).replaceChildren(...changes.slice(0, SHOWN).map((change) => this.#row(change)));
    $(".files-list", this.root).hidden = changes.length === 0;
    if (!changes.length) return this.#say("Nothing differs from the image.");
    const counts = Object.keys(TONES).map((change) => [change, changes.filter((one) => one.change === change).length]);
    const text = counts.filter(([, count]) => count).map(([change, count]) => `${count} ${change}`).join(", ");
    const cut = more ? " There are more than were looked at." : changes.length > SHOWN ? ` The first ${SHOWN} are shown.` : "";
    this.#say(`${text}.${cut}`);
  }

  #row(change) {
    const slash = change.type === "directory" ? "/" : "";
    const cells = [
      el("td", {}, el("span", { class: `pill ${TONES[change.change] ?? ""}` }, change.change)),
      el("td", { class: "command" }, visible(change.path) + slash),
      el("td", { class: "numeric small" }, change.size_bytes === null ? "" : size(change.size_bytes)),
    ];
    if ("mayRead" in this.root.dataset) cells.push(el("td", { class: "numeric" }, this.#download(change)));
    return el("tr", { "data-change": change.change }, ...cells);
  }

  /** A link to its tar; none for what is gone, or has a name that no address can hold. */
  #download(change) {
    if (change.change === "deleted" || change.path.includes("\\x")) return null;
    const name = visible(change.path);
    return el("a", {
      href: archiveUrl(this.id, change.path), class: "button button-quiet button-icon button-small", download: "",
      "aria-label": `Download ${name} as tar`, title: "Download as tar",
    }, icon("download"));
  }

  #say(text) {
    setText($("[data-files-note]", this.root), text);
  }
}

/** A path without what would move text about: controls, marks of direction, line ends. */
function visible(path) {
  return path.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}
