// Keeps every <time data-time="ago|until|for"> true. Nothing is asked of the site: the clock is the browser's,
// set right by the moment at which the page was made.
import { $$, el, setText } from "./dom.js";
import { ago, span, until } from "./format.js";

const TICK_MS = 1000;

const FORMS = {
  ago,
  until: (seconds) => until(-seconds),
  for: (seconds) => span(seconds < 10 ? Math.floor(Math.max(0, seconds)) : seconds).replace(".0 s", " s"),
};

function show(element, now) {
  const at = Date.parse(element.dateTime);
  const seconds = (now - at) / 1000;
  setText(element, FORMS[element.dataset.time](seconds));
  if (!element.title) element.title = new Date(at).toLocaleString();
}

/** A <time> element for an ISO time, or the text "–". */
export function timeElement(iso, form = "ago") {
  if (!iso) return document.createTextNode("–");
  const element = el("time", { datetime: iso, "data-time": form });
  show(element, Date.now());
  return element;
}

export function startClock() {
  const tick = () => {
    if (document.hidden) return;
    const now = Date.now();
    for (const element of $$("time[data-time]")) show(element, now);
  };
  tick();
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", tick);
}
