// The team's keys for signatures: made or brought, and forgotten.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { toast } from "../toast.js";
import { clearProblems, submitting } from "./form.js";

const dialog = $("#signing-dialog");
const form = $("[data-signing-form]");

function showPem() {
  $("[data-signing-pem]", form).hidden = form.elements.how.value === "new";
}

form?.elements.how.addEventListener("change", showPem);
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, how, pem, team } = form.elements;
  const body = { name: name.value.trim() };
  if (how.value !== "new") body[how.value] = pem.value;
  if (team) body.team = team.value;
  const key = await submitting(form, $("[data-submit]", form), () => api("POST", "signing-keys/", body));
  if (!key) return;
  form.reset();
  dialog.close();
  toast(`${key.name} is there.`);
  refreshSoon("signing");
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button");
  if (button?.matches("[data-signing-new]")) {
    form.reset();
    clearProblems(form);
    showPem();
    dialog.showModal();
  } else if (button?.matches("[data-signing-copy]")) {
    await navigator.clipboard?.writeText(button.dataset.signingCopy);
    toast("The public key is copied.");
  } else if (button?.matches("[data-signing-remove]")) {
    const row = button.closest("[data-signing]");
    const answer = await confirmAction({ title: `Forget ${row.dataset.name}?`, text: "What it has signed stays signed, but nobody here knows the key any more. A private key that was made here is gone for good.", yes: "Forget" });
    if (!answer) return;
    if ((await attempt("DELETE", `signing-keys/${row.dataset.signing}/`)) !== undefined) refreshSoon("signing");
  }
});
