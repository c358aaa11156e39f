// A form in a page that is sent to REST: errors go beside their fields.
import { Problem, api, confirmWay } from "./api.js";
import { $, $$, setText } from "./dom.js";
import { toast } from "./toast.js";

/** Send a form's fields. Answers undefined when it was refused; who has to confirm being there first is sent to do so. */
export async function sendForm(form, path, { method = "POST", body = Object.fromEntries(new FormData(form)) } = {}) {
  for (const place of $$("[data-problem]", form)) setText(place, "");
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  const button = $("button:not([type=button])", form);
  button.setAttribute("aria-busy", "true");
  try {
    return await api(method, path, body);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const way = confirmWay(problem);
    if (way) {
      location.assign(way.href);
      return undefined;
    }
    const fields = Object.keys(problem.fields).length ? problem.fields : { "": [problem.message] };
    for (const [name, texts] of Object.entries(fields)) {
      const place = $(`[data-problem="${CSS.escape(name)}"]`, form);
      if (place) setText(place, texts.join(" "));
      else toast(texts.join(" "), { bad: true });
      form.elements[name]?.setAttribute("aria-invalid", "true");
    }
    $("[aria-invalid]", form)?.focus();
    return undefined;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
