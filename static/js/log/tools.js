// The log's menus: go to a moment, take lines away as text.
import { $, $$ } from "../dom.js";
import { toast } from "../toast.js";
import { plain } from "./ansi.js";
import { clock } from "./line.js";

/** What a date-time field says, in Unix seconds; null when it is empty. */
function moment(field) {
  return field.value ? new Date(field.value).getTime() / 1000 : null;
}

/** A date-time field shows `at` (Unix seconds) in the browser's own time. */
export function setMoment(field, at) {
  const date = new Date(at * 1000);
  field.value = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** `onGo(unixSeconds)`. */
export function startTimeMenu(root, onGo) {
  const form = $("[data-log-time]", root);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const at = moment(form.elements.at);
    if (at === null) return;
    form.closest("details").open = false;
    onGo(at);
  });
}

/** `host.file(parameters)` is the address; the whole log when no times are given. */
export function startDownload(root, host, name) {
  const form = $("[data-log-download]", root);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { since, until, stamps, stream } = form.elements;
    const link = document.createElement("a");
    link.href = host.file({ since: moment(since), until: moment(until), timestamps: stamps.checked && "true", stream: stream.value });
    link.download = `${name()}.log`;
    link.click();
    form.closest("details").open = false;
  });
}

/** Copy what is selected in the log, else the lines in sight; `rows()` answers {text, at} of those. */
export async function copyLines(view, rows, withTimes) {
  const selection = getSelection();
  const isInside = selection && !selection.isCollapsed && view.contains(selection.anchorNode);
  const lines = isInside ? null : rows().map(({ text, at }) => (withTimes ? `${clock(at)} ` : "") + plain(text));
  const text = isInside ? selection.toString() : lines.join("\n");
  try {
    await navigator.clipboard.writeText(text);
    toast(isInside ? "The selection is copied." : `${lines.length} line${lines.length === 1 ? "" : "s"} copied.`);
  } catch {
    toast("The browser does not let this page copy: select the lines and press Ctrl+C.", { bad: true });
  }
}

/** Chips that are pressed or not: [data-log-level]. Answers the names of those that are, null when none is. */
export function chosenLevels(root) {
  const pressed = $$("[data-log-level][aria-pressed=true]", root).map((chip) => chip.dataset.logLevel);
  return pressed.length ? pressed : null;
}
