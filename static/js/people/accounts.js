// A team's service accounts and their tokens.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, setText } from "../dom.js";
import { showSecret } from "./secret.js";

export function startAccounts(base, onSubmit, again) {
  const form = $("[data-account-token-form]");
  onSubmit("[data-account-form]", `${base}service-accounts/`, ({ username, name, role }) => ({ username: username.value.trim(), name: name.value, role: role.value }));
  onSubmit("[data-account-token-form]", () => `${base}service-accounts/${form.dataset.account}/tokens/`, ({ name, days, read }) => ({
    name: name.value, days: days.value ? days.valueAsNumber : null, scopes: read.checked ? ["read"] : null,
  }), (made) => showSecret("Copy the token now: it is not shown again.", made.token));

  const ACTIONS = {
    "[data-account-token]"(row) {
      form.dataset.account = row.dataset.id;
      setText($("#account-token-title"), `New token for ${row.dataset.name}`);
      $("#account-token-dialog").showModal();
    },
    async "[data-account-token-revoke]"(row, button) {
      const token = button.closest("[data-token]").dataset;
      const yes = await confirmAction({ title: `Revoke ${token.tokenName}?`, text: "Scripts that use this token are refused from now on.", yes: "Revoke" });
      if (yes && (await attempt("DELETE", `${base}service-accounts/${row.dataset.id}/tokens/${token.token}/`)) === null) again();
    },
    async "[data-account-active]"(row, button) {
      if (await attempt("PATCH", `${base}service-accounts/${row.dataset.id}/`, { active: button.dataset.accountActive === "yes" })) again();
    },
    async "[data-account-delete]"(row) {
      const yes = await confirmAction({ title: `Delete ${row.dataset.name}?`, text: "Its tokens open nothing from now on. What it made stays.", yes: "Delete" });
      if (yes && (await attempt("DELETE", `${base}service-accounts/${row.dataset.id}/`)) === null) again();
    },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    const row = button?.closest("#view-accounts tr[data-id]");
    if (!row) return;
    for (const [selector, act] of Object.entries(ACTIONS)) if (button.matches(selector)) act(row, button);
  });
}
