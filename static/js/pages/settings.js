// Tokens and what teams keep: changed over REST, shown again by one fetch.
import { Problem, api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { toast } from "../toast.js";

/** Send a form's fields; errors go beside them. Answers undefined when it was refused. */
async function sendForm(form, path, { method = "POST", body = Object.fromEntries(new FormData(form)) } = {}) {
  for (const place of $$("[data-problem]", form)) setText(place, "");
  for (const field of form.elements) field.removeAttribute("aria-invalid");
  const button = $("button", form);
  button.setAttribute("aria-busy", "true");
  try {
    return await api(method, path, body);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
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

$("[data-token-form]").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const answer = await sendForm(form, "tokens/");
  if (!answer) return;
  setText($("[data-secret-text]"), answer.token);
  $("[data-secret]").hidden = false;
  form.reset();
  refreshSoon("tokens");
});

for (const form of $$("[data-team-form]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { keep_logs_days: logs, keep_recordings_days: recordings, record_terminals: record } = form.elements;
    const body = { keep_logs_days: logs.valueAsNumber, keep_recordings_days: recordings.valueAsNumber, record_terminals: record.value };
    if (await sendForm(form, `teams/${form.dataset.teamForm}/`, { method: "PATCH", body })) toast("Saved.");
  });
}

for (const form of $$("[data-publish-form]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { publish_addresses: addresses, publish_default: usual } = form.elements;
    const body = { publish_addresses: addresses.value.split(/[\s,]+/).filter(Boolean), publish_default: usual.value.trim() };
    const team = await sendForm(form, `teams/${form.dataset.publishForm}/`, { method: "PATCH", body });
    if (!team) return;
    addresses.value = team.publish_addresses.join("\n");
    toast("Saved.");
  });
}

document.addEventListener("click", async (event) => {
  const row = event.target.closest?.("tr");
  if (event.target.closest?.("[data-token-revoke]")) {
    const yes = await confirmAction({ title: `Revoke ${row.dataset.name}?`, text: "Scripts that use this token are refused from now on.", yes: "Revoke" });
    if (yes && (await attempt("DELETE", `tokens/${row.dataset.token}/`)) === null) refreshSoon("tokens");
  }
});
