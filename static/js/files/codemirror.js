// CodeMirror as the pages have it: our colours, lines with numbers, a search, a language by the file's name. It lives in
// a shadow root, where it brings its styles without a <style> element, which the site's policy forbids.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "../../vendor/codemirror/commands.js";
import { HighlightStyle, StreamLanguage, bracketMatching, indentUnit, syntaxHighlighting } from "../../vendor/codemirror/language.js";
import { tags } from "../../vendor/codemirror/lezer-highlight.js";
import { highlightSelectionMatches, search, searchKeymap } from "../../vendor/codemirror/search.js";
import { EditorState, StateEffect } from "../../vendor/codemirror/state.js";
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers } from "../../vendor/codemirror/view.js";

// The ending of a name, or the name itself → module in vendor/codemirror, and what it exports.
const LANGUAGES = {
  json: ["javascript", "json"], js: ["javascript", "javascript"], mjs: ["javascript", "javascript"], ts: ["javascript", "typescript"],
  yaml: ["yaml", "yaml"], yml: ["yaml", "yaml"], toml: ["toml", "toml"], ini: ["properties", "properties"], cfg: ["properties", "properties"],
  properties: ["properties", "properties"], env: ["properties", "properties"], conf: ["nginx", "nginx"], py: ["python", "python"],
  sh: ["shell", "shell"], bash: ["shell", "shell"], profile: ["shell", "shell"], dockerfile: ["dockerfile", "dockerFile"],
  html: ["xml", "html"], htm: ["xml", "html"], xml: ["xml", "xml"], svg: ["xml", "xml"], css: ["css", "css"], sql: ["sql", "standardSQL"],
  c: ["clike", "c"], h: ["clike", "c"], cpp: ["clike", "cpp"], java: ["clike", "java"], php: ["clike", "c"], go: ["go", "go"], rs: ["rust", "rust"],
  rb: ["ruby", "ruby"], lua: ["lua", "lua"], pl: ["perl", "perl"], diff: ["diff", "diff"], patch: ["diff", "diff"],
};

const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--ansi-5)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--ansi-2)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom], color: "var(--ansi-6)" },
  { tag: [tags.propertyName, tags.attributeName, tags.definition(tags.variableName), tags.tagName, tags.heading], color: "var(--ansi-4)" },
  { tag: [tags.meta, tags.typeName, tags.className, tags.standard(tags.name)], color: "var(--ansi-3)" },
  { tag: tags.comment, color: "var(--ink-faint)", fontStyle: "italic" },
  { tag: [tags.invalid, tags.deleted], color: "var(--bad)" },
  { tag: tags.inserted, color: "var(--good)" },
]);

const LOOK = EditorView.theme({
  "&": { height: "100%", color: "var(--ink)", backgroundColor: "transparent", fontSize: "0.8125rem" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-content": { caretColor: "var(--ink)", padding: "0.5rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--ink-faint)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in oklab, var(--hover) 70%, transparent)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": { background: "var(--terminal-selection)" },
  ".cm-selectionMatch": { backgroundColor: "var(--warn-tint)" },
  ".cm-searchMatch": { backgroundColor: "var(--warn-tint)", outline: "1px solid var(--warn-mark)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--accent-tint)" },
  ".cm-panels": { backgroundColor: "var(--raised)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-textfield": { backgroundColor: "var(--surface)", color: "var(--ink)", border: "1px solid var(--line-strong)", borderRadius: "var(--radius-s)" },
  ".cm-button": { backgroundImage: "none", backgroundColor: "var(--surface)", color: "var(--ink)", border: "1px solid var(--line)", borderRadius: "var(--radius-s)" },
  ".cm-textfield:focus-visible, .cm-button:focus-visible, input:focus-visible": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
  ".cm-panel.cm-search": { padding: "0.5rem 2rem 0.5rem 0.75rem", fontFamily: "var(--sans)" },
  ".cm-panel.cm-search label": { color: "var(--ink-soft)", fontSize: "var(--text-xs)" },
  ".cm-panel.cm-search .cm-textfield, .cm-panel.cm-search .cm-button": { fontSize: "var(--text-xs)", minHeight: "1.625rem" },
  ".cm-panel.cm-search [name=close]": { color: "var(--ink-soft)", fontSize: "1.125rem", right: "0.5rem" },
});

/** As `openEditor`, with text whose lines end by \n alone. */
export function openRich(place, { text, name, label, isReadOnly, onChange }) {
  const holder = document.createElement("div");
  holder.className = "file-rich";
  const shadow = holder.attachShadow({ mode: "open" });
  const view = new EditorView({ root: shadow, parent: shadow, state: EditorState.create({ doc: text, extensions: basics({ label, isReadOnly, onChange }) }) });
  place.replaceChildren(holder);
  language(name).then((found) => found && view.dispatch({ effects: [found.effect] }), () => null); // plain text is text as well
  return { value: () => view.state.doc.toString(), focus: () => view.focus() };
}

function basics({ label, isReadOnly, onChange }) {
  return [
    lineNumbers(), highlightActiveLineGutter(), highlightActiveLine(), highlightSpecialChars(), history(), drawSelection(), bracketMatching(),
    highlightSelectionMatches(), search({ top: true }), indentUnit.of("  "), syntaxHighlighting(COLOURS), LOOK,
    // Tab leaves the editor when Escape was pressed before it, so that nobody is caught (WCAG 2.1.2).
    keymap.of([...searchKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]),
    EditorState.readOnly.of(isReadOnly), EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "none" }),
    EditorView.updateListener.of((update) => update.docChanged && onChange()),
  ];
}

async function language(name) {
  const base = name.toLowerCase().replace(/^.*\//, "");
  const found = LANGUAGES[base.replace(/^\./, "")] ?? LANGUAGES[base.split(".").pop()] ?? (/^dockerfile/.test(base) ? LANGUAGES.dockerfile : null);
  if (!found) return null;
  const module = await import(`../../vendor/codemirror/mode-${found[0]}.js`);
  return { effect: StateEffect.appendConfig.of(StreamLanguage.define(module[found[1]])) };
}
