// Loaded by every page: what they all have. A page's own script is in pages/.
import { startActions } from "./actions.js";
import { startCopy } from "./copy.js";
import { startDialogs, startMenus } from "./dialog.js";
import { $, $$, setText } from "./dom.js";
import { onConnection, startLive } from "./live.js";
import { startShortcuts } from "./shortcuts.js";
import { startTheme } from "./theme.js";
import { startClock } from "./time.js";

const CONNECTION = { live: "Live", lost: "Reconnecting", out: "Signed out" };

function startMenuButton() {
  const button = $("#menu-button");
  button?.addEventListener("click", () => {
    button.setAttribute("aria-expanded", button.getAttribute("aria-expanded") === "true" ? "false" : "true");
  });
}

function startConnection() {
  onConnection((state) => {
    for (const mark of $$("[data-connection]")) {
      mark.dataset.state = state;
      setText(mark, CONNECTION[state]);
    }
  });
  startLive(document.body.dataset.changeId);
}

startTheme();
startClock();
startDialogs();
startMenus();
startMenuButton();
startShortcuts();
startCopy();
startActions();
// What follows the page's snapshot comes at once: only when the page's own script listens too may it be asked for.
document.addEventListener("DOMContentLoaded", startConnection);
