// What the page asks of the container's host about its log, over REST.
import { api } from "../api.js";

export class LogHost {
  constructor(containerId) {
    this.path = `containers/${containerId}/logs/`;
  }

  outline(from, to) {
    return this.#ask("outline/", { from, to });
  }

  lines(from, to) {
    return this.#ask("lines/", { from, to });
  }

  at(ends) {
    return this.#ask("lines/", { at: ends.join(",") });
  }

  search({ text, expression, matchCase, levels, stream }, from, to, backwards) {
    return this.#ask("search/", { q: text, expression, case: matchCase, level: levels?.join(","), stream, from, to, backwards });
  }

  histogram(buckets) {
    return this.#ask("histogram/", { buckets });
  }

  moment(at) {
    return this.#ask("moment/", { at });
  }

  /** The address of the log as a file. */
  file(parameters) {
    return `/api/v1/${this.path}?${query(parameters)}`;
  }

  #ask(part, parameters) {
    return api("GET", `${this.path}${part}?${query(parameters)}`);
  }
}

function query(parameters) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "" && value !== false) words.set(name, value);
  }
  return words;
}
