// Tokens: made and revoked over REST, shown again by one fetch.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { sendForm } from "../send_form.js";

$("[data-token-form]").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const { name, may, team, days } = form.elements;
  const body = { name: name.value };
  if (may.value) body.scopes = [may.value];
  if (team.value) body.team = team.value;
  if (days.value) body.days = Number(days.value);
  const answer = await sendForm(form, "tokens/", { body });
  if (!answer) return;
  setText($("[data-secret-text]"), answer.token);
  $("[data-secret]").hidden = false;
  form.reset();
  refreshSoon("tokens");
});

document.addEventListener("click", async (event) => {
  const row = event.target.closest?.("tr");
  if (event.target.closest?.("[data-token-revoke]")) {
    const yes = await confirmAction({ title: `Revoke ${row.dataset.name}?`, text: "Scripts that use this token are refused from now on.", yes: "Revoke" });
    if (yes && (await attempt("DELETE", `tokens/${row.dataset.token}/`)) === null) refreshSoon("tokens");
  }
});
