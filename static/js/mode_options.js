// Fields of the form that are more than one field: a namespace, which may be another container's, and a text that may
// come out of a file.
import { $, $$ } from "./dom.js";
import { chooseNetwork, showNetworks } from "./network_options.js";

export const CONTAINER = "container:";

/** The field for the name of the container whose namespace it is. */
function other(field) {
  return $(`#${field.id}-of`);
}

export function readMode(field) {
  if (field.value !== CONTAINER) return field.value === field.dataset.default ? undefined : field.value;
  const name = other(field).value.trim();
  if (!name) throw new Error("Name the container, or choose something else.");
  return CONTAINER + name;
}

export function fillMode(field, value) {
  const wanted = value ?? field.dataset.default;
  const joins = wanted.startsWith(CONTAINER);
  if (field.id === "network") chooseNetwork(wanted);
  field.value = joins ? CONTAINER : wanted;
  if (joins) other(field).value = wanted.slice(CONTAINER.length);
}

/** A container's name is asked for where one is chosen, a file's text is shown where there is one. */
export function showModes() {
  for (const field of $$('[data-kind="mode"]')) {
    const name = other(field);
    if (name) name.closest(".field").hidden = field.value !== CONTAINER;
  }
  showNetworks();
  for (const field of $$("[data-from-file]")) field.hidden = !field.value && document.activeElement !== field;
}

/** What is in a chosen file goes into the field beside it; `changed` is called then. */
export function startFiles(changed) {
  for (const input of $$("input[type=file][data-fills]")) {
    input.addEventListener("change", async () => {
      const file = input.files[0];
      if (!file) return;
      $(input.dataset.fills).value = await file.text();
      input.value = "";
      changed();
    });
  }
}
