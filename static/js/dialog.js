// Asking before something is destroyed, and opening the page's dialogs.
import { $, $$, setText } from "./dom.js";

/**
 * Ask; answers null for no, else {checked, more} of the optional ticks. The safe answer has the focus, so that a
 * stray Enter destroys nothing. `checked`: how the first tick is to begin with.
 */
export function confirmAction({ title, text, yes, check = null, checked = false, more = null }) {
  const dialog = $("#confirm-dialog");
  setText($("#confirm-title"), title);
  setText($("#confirm-text"), text);
  setText($("#confirm-yes"), yes);
  $("#confirm-extra").hidden = check === null;
  $("#confirm-check").checked = checked;
  setText($("#confirm-check-text"), check ?? "");
  $("#confirm-more-extra").hidden = more === null;
  $("#confirm-more").checked = false;
  setText($("#confirm-more-text"), more ?? "");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes" ? { checked: $("#confirm-check").checked, more: $("#confirm-more").checked } : null), { once: true });
  });
}

/** Buttons with data-open="dialog-id" open it; those with data-close in it and a click on the backdrop close it. */
export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-open]");
    if (opener) document.getElementById(opener.dataset.open)?.showModal();
    event.target.closest?.("dialog [data-close]")?.closest("dialog").close("no");
    if (event.target instanceof HTMLDialogElement && !insideOf(event.target, event)) event.target.close("no");
  });
}

function insideOf(dialog, event) {
  const box = dialog.getBoundingClientRect();
  return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
}

/** Menus are <details class="menu">: one open at a time, closed by Escape, by a click elsewhere, by a choice. */
export function startMenus() {
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!(menu instanceof HTMLDetailsElement) || !menu.matches(".menu") || !menu.open) return;
    for (const other of $$("details.menu[open]")) if (other !== menu) other.open = false;
    const list = $(".menu-list", menu);
    menu.classList.remove("menu-up", "menu-end");
    if (list.getBoundingClientRect().bottom > innerHeight) menu.classList.add("menu-up");
    // A card cuts off what is outside of it.
    const edge = menu.closest(".card")?.getBoundingClientRect().right ?? innerWidth;
    if (list.getBoundingClientRect().right > edge) menu.classList.add("menu-end");
  }, true);
  document.addEventListener("click", (event) => {
    for (const menu of $$("details.menu[open]")) {
      if (!menu.contains(event.target) || event.target.closest(".menu-list button, .menu-list a")) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      $("summary", menu).focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const items = $$(".menu-list button, .menu-list a", menu).filter((item) => item.offsetParent);
      const at = items.indexOf(document.activeElement);
      items[(at + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length]?.focus();
    }
  });
}
