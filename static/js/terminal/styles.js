// xterm.js writes rules into <style> elements and style attributes, which the site's policy (style-src 'self') refuses.
// The same rules are allowed as constructed style sheets and through element.style, so that is where they go.

const create = Document.prototype.createElement;

/** In place of a <style>: even an empty one counts against the policy once it is in the document. */
function sheetInDisguise() {
  const element = create.call(document, "div");
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(element, "textContent", { get: () => "", set: (rules) => sheet.replaceSync(rules) });
  const remove = element.remove;
  element.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
    remove.call(element);
  };
  return element;
}

function withStyleAttribute(element) {
  const set = element.setAttribute;
  element.setAttribute = (name, value) => {
    if (name === "style") element.style.cssText = value;
    else set.call(element, name, value);
  };
  return element;
}

/** Once, before the first terminal is made; elements of other code are not touched but for <style> and <span>. */
export function allowStyles() {
  if (Object.hasOwn(document, "createElement")) return;
  document.createElement = (tag, options) => {
    if (tag === "style") return sheetInDisguise();
    const element = create.call(document, tag, options);
    return tag === "span" ? withStyleAttribute(element) : element;
  };
}
