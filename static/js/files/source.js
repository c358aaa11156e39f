// Files behind REST. A path is written as addresses have it: "" for the top, "/a%20b/%FF" below, so that names of any
// bytes lead back to their files.
import { Problem, api } from "../api.js";
import { $ } from "../dom.js";

export class Files {
  /** `base` is the address of the files, such as /api/v1/volumes/7/files/. */
  constructor(base) {
    this.base = base;
  }

  address(path, route = "", query = {}) {
    const more = new URLSearchParams(query).toString();
    return `${this.base}${route}?path=${path || "/"}${more ? `&${more}` : ""}`;
  }

  list(path, query) {
    return api("GET", this.address(path, "", query));
  }

  /** What is at a path, null for nothing. */
  async look(path) {
    try {
      return (await this.list(path, { limit: 1 })).entry;
    } catch (problem) {
      if (problem.status === 404) return null;
      throw problem;
    }
  }

  content(path) {
    return this.address(path, "content/");
  }

  archive(path) {
    return this.address(path, "archive/");
  }

  makeDirectory(path) {
    return api("POST", this.address(path, "directory/"), {});
  }

  /** `name` may be a path from the top of the volume: then it is moved there. */
  rename(path, name) {
    return api("POST", this.address(path, "move/"), name.startsWith("/") ? { to: name } : { name });
  }

  own(path, changes) {
    return api("PATCH", this.address(path), changes);
  }

  remove(path) {
    return api("DELETE", this.address(path, "", { recursive: "true" }));
  }

  /** The first `most` bytes: {bytes, etag, size}. Throws Problem. */
  async read(path, most) {
    const response = await this.#fetch(this.content(path), { headers: { Range: `bytes=0-${most - 1}` } });
    const size = Number(/\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ?? response.headers.get("Content-Length") ?? 0);
    const bytes = response.status === 416 ? new Uint8Array() : new Uint8Array(await response.arrayBuffer());
    return { bytes, size: response.status === 416 ? 0 : size, etag: etagOf(response) };
  }

  /** Write a whole file; `terms`: {etag} of what it replaces, {isNew}. Answers the file. Throws Problem (412: changed). */
  async write(path, body, terms = {}) {
    const response = await this.#fetch(this.content(path), { method: "PUT", body, headers: { ...conditions(terms), "X-CSRFToken": token(), "Content-Type": "application/octet-stream" } });
    return response.json();
  }

  async #fetch(address, options) {
    let response;
    try {
      response = await fetch(address, { credentials: "same-origin", cache: "no-store", ...options });
    } catch {
      throw new Problem(0, { family: "unavailable", detail: "The site can't be reached. Is it running, and are you online?" });
    }
    if (response.ok || response.status === 416) return response;
    throw new Problem(response.status, await response.json().catch(() => ({})));
  }
}

export function token() {
  return $('meta[name="csrf-token"]')?.content ?? "";
}

export function conditions({ etag = null, isNew = false }) {
  return { ...(etag && { "If-Match": `"${etag}"` }), ...(isNew && { "If-None-Match": "*" }) };
}

function etagOf(response) {
  return /"([^"]+)"/.exec(response.headers.get("ETag") ?? "")?.[1] ?? null;
}

/** An entry's path, out of its address. */
export function pathOf(entry) {
  const path = entry.url.slice(entry.url.indexOf("?path=") + 6);
  return path === "/" ? "" : path;
}

export function join(path, name) {
  return `${path}/${encodeURIComponent(name)}`;
}

export function above(path) {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** The names along a path: [{path, name}…], the top left out. */
export function steps(path) {
  const parts = path.split("/").slice(1);
  return parts.map((part, index) => ({ path: `/${parts.slice(0, index + 1).join("/")}`, name: decoded(part) }));
}

function decoded(part) {
  try {
    return visible(decodeURIComponent(part));
  } catch {
    return part.replace(/%([0-9A-Fa-f]{2})/g, (_, digits) => {
      const code = parseInt(digits, 16);
      return code > 31 && code < 127 ? String.fromCharCode(code) : `\\x${digits.toLowerCase()}`;
    });
  }
}

/** A name without what would move text about: controls, marks of direction, line ends. */
export function visible(name) {
  return name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}

/** "0644" → "rw-r--r--", with s and t as ls has them. */
export function modeText(mode) {
  const bits = parseInt(mode, 8);
  const letters = [...Array(9).keys()].map((at) => (bits & (0o400 >> at) ? "rwx"[at % 3] : "-"));
  for (const [bit, at, letter] of [[0o4000, 2, "s"], [0o2000, 5, "s"], [0o1000, 8, "t"]]) {
    if (bits & bit) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  }
  return letters.join("");
}
