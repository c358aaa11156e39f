// A plain editor for text: what is typed is what is saved, line ends and marks at the beginning included.
import { el } from "../dom.js";

/** Shows `text` in `place`; answers {value(), focus()}. `onChange` is called for each change. */
export function openEditor(place, { text, label, isReadOnly, onChange }) {
  const hasReturns = text.includes("\r\n") && !/(^|[^\r])\n/.test(text); // where they are mixed, saving makes them one kind
  const field = el("textarea", { class: "file-text", spellcheck: "false", autocapitalize: "none", autocomplete: "off", wrap: "off", "aria-label": label, readonly: isReadOnly });
  field.value = text;
  field.addEventListener("input", onChange);
  place.replaceChildren(field);
  field.setSelectionRange(0, 0);
  return {
    value: () => (hasReturns ? field.value.replaceAll("\n", "\r\n") : field.value),
    focus: () => field.focus(),
  };
}
