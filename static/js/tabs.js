// Tabs that switch between parts of a page: <div role="tablist" data-tabs> with buttons aria-controls="panel-id".
// Arrow keys move, as the pattern of the ARIA guide has it; the address remembers the choice (#terminal).
import { $$ } from "./dom.js";

/** Where a list has no room for all of its tabs, the chosen one is moved to where it is seen. */
export function reveal(list, tab) {
  const [place, seen] = [tab.getBoundingClientRect(), list.getBoundingClientRect()];
  list.scrollLeft += Math.max(0, place.right - seen.right) - Math.max(0, seen.left - place.left);
}

/** `onShow(panelId)` is called for each choice, the first one included. */
export function startTabs(list, onShow) {
  const tabs = $$("[role=tab]", list);

  function select(tab) {
    for (const other of tabs) {
      const isChosen = other === tab;
      other.setAttribute("aria-selected", String(isChosen));
      other.tabIndex = isChosen ? 0 : -1;
      document.getElementById(other.getAttribute("aria-controls")).hidden = !isChosen;
    }
    reveal(list, tab);
    onShow(tab.getAttribute("aria-controls"));
  }

  function choose(tab) {
    history.replaceState(null, "", tab === tabs[0] ? location.pathname + location.search : `#${tab.dataset.tab}`);
    select(tab);
  }

  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(tab);
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    next.focus();
    choose(next);
  });
  const named = () => tabs.find((tab) => `#${tab.dataset.tab}` === location.hash);
  addEventListener("hashchange", () => {
    const tab = location.hash ? named() : tabs[0]; // other places of the page have names, too
    if (tab) select(tab);
  });
  select(named() ?? tabs[0]);
}
