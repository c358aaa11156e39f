// Light, dark, or as the system says. The choice is a cookie, so that the site draws the first pixel right.
import { $, setIcon, setText } from "./dom.js";

const ORDER = ["auto", "light", "dark"];
const LOOK = { auto: ["auto", "Theme: automatic"], light: ["sun", "Theme: light"], dark: ["moon", "Theme: dark"] };
const YEAR = 31536000;

function current() {
  return document.documentElement.dataset.theme ?? "auto";
}

function show(button) {
  const [icon, text] = LOOK[current()];
  setIcon(button, icon);
  setText($("span", button), text);
}

export function startTheme() {
  const button = $("[data-theme-button]");
  if (!button) return;
  show(button);
  button.addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    document.cookie = `theme=${next}; path=/; max-age=${next === "auto" ? 0 : YEAR}; samesite=lax`;
    show(button);
    dispatchEvent(new Event("themechange"));
  });
}

/** The value that a colour token has now, for what is drawn on a canvas. */
export function colour(token) {
  const probe = document.createElement("i");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
