// The health check in the form: its fields, the request's object, and docker's flags.
import { $ } from "./dom.js";
import { joinWords, quoteWord, splitWords } from "./shell.js";

const SECONDS = { interval_seconds: "--health-interval", timeout_seconds: "--health-timeout", start_period_seconds: "--health-start-period", start_interval_seconds: "--health-start-interval" };
const kind = () => $("#health-kind");
const field = (name) => $(`[data-health="${name}"]`);

function number(name) {
  const text = field(name).value.trim().replace(",", ".");
  if (!text) return undefined;
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) throw new Error("Give a number, such as 30.");
  return Number(text);
}

/** What is typed, undefined for the image's own. Throws an Error with a sentence. */
export function readHealth() {
  if (kind().value === "none") return { test: ["NONE"] };
  const body = {};
  const line = field("test").value.trim();
  if (kind().value && !line) throw new Error("Say what the check runs.");
  if (kind().value === "line") body.test = ["CMD-SHELL", line];
  if (kind().value === "program") body.test = ["CMD", ...splitWords(line)];
  for (const name of [...Object.keys(SECONDS), "retries"]) {
    const value = number(name);
    if (value !== undefined) body[name] = value;
  }
  return Object.keys(body).length ? body : undefined;
}

export function fillHealth(check) {
  const [word, ...rest] = check?.test ?? [];
  kind().value = { "CMD-SHELL": "line", CMD: "program", NONE: "none" }[word] ?? "";
  field("test").value = word === "CMD" ? joinWords(rest) : rest[0] ?? "";
  for (const name of [...Object.keys(SECONDS), "retries"]) field(name).value = check?.[name] ?? "";
}

/** A program's words are a line for docker's shell. */
export function healthWords(check) {
  if (!check) return [];
  const [word, ...rest] = check.test ?? [];
  if (word === "NONE") return ["--no-healthcheck"];
  const words = word ? ["--health-cmd", quoteWord(word === "CMD" ? joinWords(rest) : rest[0])] : [];
  for (const [name, flag] of Object.entries(SECONDS)) if (check[name]) words.push(flag, `${Math.round(check[name] * 1000)}ms`);
  if (check.retries) words.push("--health-retries", String(check.retries));
  return words;
}

/** Fields that have no meaning for the kind that is chosen are not there. */
export function showHealth() {
  $("[data-health-test]").hidden = !["line", "program"].includes(kind().value);
  $("[data-health-times]").hidden = kind().value === "none";
}
