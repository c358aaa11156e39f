// Search as you type: the site filters in its database, the list and its counts are exchanged, the address
// follows, so that a reload or a shared link shows the same.
import { $, $$ } from "./dom.js";
import { refresh } from "./fragment.js";

const PAUSE_MS = 120;

export function startSearch(...fragments) {
  const form = $("[data-list-form]");
  const field = $("[data-search]", form ?? document);
  if (!form || !field) return;
  let timer = 0;
  let latest = 0;
  const search = async () => {
    const url = new URL(location.href);
    if (field.value) url.searchParams.set("q", field.value);
    else url.searchParams.delete("q");
    for (const { name, value } of $$("[data-list-select]", form)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    url.searchParams.delete("page");
    const mine = ++latest;
    form.setAttribute("aria-busy", "true");
    // An answer that was overtaken by a later one is dropped before it reaches the page.
    await refresh(url, fragments, () => mine === latest).catch(() => null);
    if (mine !== latest) return;
    form.removeAttribute("aria-busy");
    history.replaceState(null, "", url);
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, PAUSE_MS);
  });
  form.addEventListener("change", (event) => event.target.matches("[data-list-select]") && search());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    search();
  });
}
