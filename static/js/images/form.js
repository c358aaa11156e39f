// A dialog's form that is sent to REST: errors go beside their fields.
import { Problem, confirmWay } from "../api.js";
import { $, $$, el, setText } from "../dom.js";

export function clearProblems(form) {
  for (const place of $$("[data-problem]", form)) setText(place, "");
  for (const field of form.elements) field.removeAttribute("aria-invalid");
}

export function showProblems(form, fields) {
  for (const [name, texts] of Object.entries(fields)) {
    const place = name && $(`[data-problem="${CSS.escape(name)}"]`, form);
    setText(place || $('[data-problem=""]', form), texts.join(" "));
    if (place) form.elements[name]?.setAttribute("aria-invalid", "true");
  }
  $("[aria-invalid]", form)?.focus();
}

/** Run `send` while the form's button is busy. Answers what it answers; undefined when it was refused, which the form says. */
export async function submitting(form, button, send) {
  clearProblems(form);
  button.setAttribute("aria-busy", "true");
  try {
    return await send();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const way = confirmWay(problem);
    if (way) $('[data-problem=""]', form).replaceChildren(`${way.text} `, el("a", { href: way.href }, way.link));
    else showProblems(form, Object.keys(problem.fields).length ? problem.fields : { "": [problem.message] });
    return undefined;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
