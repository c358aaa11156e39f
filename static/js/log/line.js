// One log line as an element. Everything is text: no part of a line is ever read as markup.
import { el } from "../dom.js";
import { pieces } from "./ansi.js";
import { STDERR } from "./buffer.js";
import { LEVELS, levelOf } from "./levels.js";

const two = (number) => String(number).padStart(2, "0");
const NAMES = { error: "error", warn: "warning", info: "info", debug: "debug" };

/** Local time to the millisecond; with the day where that isn't today. */
export function clock(at) {
  const date = new Date(at * 1000);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** A row whose line is still on its way. */
export function absentElement(index) {
  return el("div", { class: "log-line log-absent", "aria-hidden": "true" }, el("span", { class: `log-ghost log-ghost-${index % 4}` }));
}

/** `marks` ([[from, to], …] of its plain text) are marked; `current` is the match that next and previous stand on. */
export function lineElement({ raw, at, stream, times, marks, current }) {
  const level = LEVELS[levelOf(raw)];
  const line = el("div", { class: `log-line log-${level}${stream === STDERR ? " log-stderr" : ""}${current ? " log-current" : ""}` });
  const title = [NAMES[level], stream === STDERR ? "stderr" : null].filter(Boolean).join(", ");
  if (title) line.title = title;
  if (times) line.append(el("span", { class: "log-time" }, clock(at)));
  let offset = 0;
  for (const piece of pieces(raw)) {
    append(line, piece, offset, marks);
    offset += piece.text.length;
  }
  if (!line.childNodes.length) line.append("\u200b");
  return line;
}

function append(line, piece, offset, hits) {
  const parent = piece.classes.length || piece.colour || piece.ground ? el("span", { class: piece.classes.join(" ") || null }) : line;
  if (piece.colour) parent.style.color = piece.colour;
  if (piece.ground) parent.style.backgroundColor = piece.ground;
  let at = 0;
  for (const [from, to] of hits) {
    const start = Math.max(from - offset, at);
    const end = Math.min(to - offset, piece.text.length);
    if (start >= end) continue;
    parent.append(piece.text.slice(at, start), el("mark", {}, piece.text.slice(start, end)));
    at = end;
  }
  parent.append(piece.text.slice(at));
  if (parent !== line) line.append(parent);
}
