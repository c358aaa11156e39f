// Small hands for the DOM. Text from outside goes through textContent alone; nothing here parses markup
// but pages of our own (fragment.js).

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Make an element: `el("a", {href: "/x", class: "name"}, "text", child)`. A null attribute is left out. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
const sprite = new URL("../img/icons.svg", import.meta.url).pathname;

/** One of static/img/icons.svg. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** Exchange the icon inside a button. */
export function setIcon(button, name) {
  $("use", button)?.setAttribute("href", `${sprite}#${name}`);
}

/** Set text only where it differs, so that selections and screen readers are left in peace. */
export function setText(element, text) {
  if (element && element.textContent !== String(text)) element.textContent = String(text);
}

/** The JSON that the page brought along in <script type="application/json" id=…>. */
export function pageData(id) {
  const script = document.getElementById(id);
  return script ? JSON.parse(script.textContent) : null;
}

export const words = pageData("words") ?? {};
