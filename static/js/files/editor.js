// An editor for text: what is typed is what is saved, line ends and marks at the beginning included. CodeMirror is
// fetched when somebody opens a text; where it can't be had, a plain field does.
import { el } from "../dom.js";

/** Shows `text` in `place`; answers {value(), focus()}. `name` says which language it is; `onChange` is called for each
 * change. */
export async function openEditor(place, { text, name, label, isReadOnly, onChange }) {
  const hasReturns = text.includes("\r\n") && !/(^|[^\r])\n/.test(text); // where they are mixed, saving makes them one kind
  const wish = { text: text.replaceAll("\r\n", "\n"), name, label, isReadOnly, onChange };
  const editor = await import("./codemirror.js").then(({ openRich }) => openRich(place, wish), () => openPlain(place, wish));
  return { ...editor, value: () => (hasReturns ? editor.value().replaceAll("\n", "\r\n") : editor.value()) };
}

function openPlain(place, { text, label, isReadOnly, onChange }) {
  const field = el("textarea", { class: "file-text", spellcheck: "false", autocapitalize: "none", autocomplete: "off", wrap: "off", "aria-label": label, readonly: isReadOnly });
  field.value = text;
  field.addEventListener("input", onChange);
  place.replaceChildren(field);
  field.setSelectionRange(0, 0);
  return { value: () => field.value, focus: () => field.focus() };
}
