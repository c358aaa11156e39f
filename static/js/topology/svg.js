// Small hands for SVG: elements, texts that fit, marks of a state, icons.
const SVG = "http://www.w3.org/2000/svg";
const sprite = new URL("../../img/icons.svg", import.meta.url).pathname;
const FONTS = { name: "600 13px system-ui, sans-serif", small: "500 11.5px system-ui, sans-serif", code: "11px ui-monospace, Menlo, Consolas, monospace" };
const canvas = document.createElement("canvas").getContext("2d");

export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function measure(text, font) {
  canvas.font = FONTS[font];
  return canvas.measureText(text).width;
}

/** As much of `text` as fits into `width` pixels. */
export function fit(text, width, font) {
  if (measure(text, font) <= width) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(`${text.slice(0, middle)}…`, font) <= width) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}

export function text(content, { x, y, font, width, anchor = "start", kind = "" }) {
  return s("text", { x, y, class: `t-${font} ${kind}`.trim(), "text-anchor": anchor }, fit(content, width, font));
}

export function icon(name, x, y, size = 16) {
  return s("use", { href: `${sprite}#${name}`, x, y, width: size, height: size, class: "node-icon" });
}

/** A state is told by shape as well as by colour, as everywhere. */
const MARKS = {
  running: "M5 0A5 5 0 1 1 4.99 0Z",
  paused: "M0 0H3.6V10H0ZM6.4 0H10V10H6.4Z",
  restarting: "M5 0A5 5 0 1 1 0 5H2.4A2.6 2.6 0 1 0 5 2.4Z",
  failed: "M5 0L10.4 10H-.4Z",
  stopped: "M2 0H8A2 2 0 0 1 10 2V8A2 2 0 0 1 8 10H2A2 2 0 0 1 0 8V2A2 2 0 0 1 2 0Z",
};

export function mark(state, x, y) {
  return s("path", { d: MARKS[state] ?? MARKS.stopped, transform: `translate(${x} ${y})`, class: "mark", "data-state": state });
}
