// Files of a container, out and in: a download of any path, an upload into any directory.
import { $, setText } from "./dom.js";
import { tarOf } from "./tar.js";
import { toast } from "./toast.js";

const WHY = {
  401: "You are signed out. Sign in again in this tab.",
  403: "That belongs to the kernel, or your role does not allow it.",
  404: "There is nothing at this path in the container.",
};

export function archiveUrl(containerId, path) {
  return `/api/v1/containers/${containerId}/archive/?path=${encodeURIComponent(path)}`;
}

export class Copying {
  /** `form` has a field `path`, buttons data-copy-out and data-copy-in, an input data-copy-files, a place data-copy-note. */
  constructor(form, containerId, onCopied) {
    this.form = form;
    this.id = containerId;
    this.onCopied = onCopied;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#download();
    });
    const chosen = $("[data-copy-files]", form);
    $("[data-copy-in]", form)?.addEventListener("click", () => chosen.click());
    chosen?.addEventListener("change", () => chosen.files.length && this.#upload([...chosen.files]));
  }

  get #url() {
    return archiveUrl(this.id, this.form.elements.path.value.trim() || "/");
  }

  /** Asked first whether it is there: what the browser is sent to it saves, even if it is a problem. */
  async #download() {
    const url = this.#url;
    this.#say("");
    const response = await fetch(url, { method: "HEAD", credentials: "same-origin" }).catch(() => null);
    if (response?.ok) location.assign(url);
    else this.#say(WHY[response?.status] ?? "The container's host can't be reached now.");
  }

  #upload(files) {
    const request = new XMLHttpRequest(); // fetch can't tell how far an upload is
    const what = files.length === 1 ? files[0].name : `${files.length} files`;
    request.open("PUT", `${this.#url}&noOverwriteDirNonDir=true`);
    request.setRequestHeader("X-CSRFToken", $('meta[name="csrf-token"]')?.content ?? "");
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      if (total) this.#say(`Copying ${what}: ${Math.floor((loaded / total) * 100)} %`);
    });
    request.addEventListener("loadend", () => {
      $("[data-copy-files]", this.form).value = "";
      $("[data-copy-in]", this.form).removeAttribute("aria-busy");
      if (request.status !== 200) return this.#say(problemOf(request));
      this.#say("");
      toast(`${what} copied into the container.`);
      this.onCopied();
    });
    $("[data-copy-in]", this.form).setAttribute("aria-busy", "true");
    this.#say(`Copying ${what} …`);
    request.send(tarOf(files));
  }

  #say(text) {
    setText($("[data-copy-note]", this.form), text);
  }
}

function problemOf(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return "The upload was cut short: try again.";
  }
}
