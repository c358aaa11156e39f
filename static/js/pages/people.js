// People of the installation: made, changed, locked out and deleted over REST.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { clearProblems, submitting } from "../images/form.js";
import { onChange, onReset } from "../live.js";
import { startSearch } from "../search.js";
import { toast } from "../toast.js";

const FRAGMENTS = ["list", "total"];
for (const kind of ["team", "rights"]) onChange(kind, () => refreshSoon(...FRAGMENTS));
onReset(() => refreshSoon(...FRAGMENTS));
startSearch(...FRAGMENTS);

const dialog = $("#person-dialog");
const form = $("[data-person-form]");

function open(row = null) {
  form.reset();
  clearProblems(form);
  form.dataset.person = row?.dataset.id ?? "";
  setText($("#person-title"), row ? `Change ${row.dataset.name}` : "New person");
  for (const part of form.querySelectorAll("[data-new-only]")) part.hidden = Boolean(row);
  if (row) {
    form.elements.username.value = row.dataset.name;
    form.elements.name.value = row.dataset.person;
    form.elements.email.value = row.dataset.email;
  }
  if (!dialog.open) dialog.showModal();
}

$('[data-open="person-dialog"]')?.addEventListener("click", () => open());
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { username, name, email } = form.elements;
  const body = { username: username.value, name: name.value, email: email.value };
  const id = form.dataset.person;
  const send = () => (id ? api("PATCH", `users/${id}/`, body) : api("POST", "users/", body));
  const answer = await submitting(form, $("[data-submit]", form), send);
  if (!answer) return;
  dialog.close();
  if (!id) showPassword(answer.username, answer.password);
  refreshSoon(...FRAGMENTS);
});

function showPassword(name, password) {
  setText($("[data-secret-name]"), name);
  setText($("[data-secret-text]"), password);
  $("[data-secret]").hidden = false;
  $("[data-secret] button").focus();
}

async function change(row, body, said) {
  if ((await attempt("PATCH", `users/${row.dataset.id}/`, body)) === undefined) return;
  toast(said);
  refreshSoon(...FRAGMENTS);
}

const ACTIONS = {
  async "[data-person-password]"(row) {
    const yes = await confirmAction({ title: `New password for ${row.dataset.name}?`, text: "The present one stops working. The new one is shown to you once, and has to be changed at the next sign-in.", yes: "Make one" });
    const answer = yes && (await attempt("POST", `users/${row.dataset.id}/password/`, {}));
    if (answer) showPassword(row.dataset.name, answer.password);
  },
  async "[data-person-factor]"(row) {
    const yes = await confirmAction({ title: `Reset the second factor of ${row.dataset.name}?`, text: "For who has lost phone, keys and recovery codes: all of these stop working, and all sessions end. The password alone lets in again, so be sure who asks.", yes: "Reset" });
    if (yes && (await attempt("DELETE", `users/${row.dataset.id}/second-factor/`)) === null) toast(`${row.dataset.name} signs in without a second factor.`);
  },
  async "[data-person-administrator]"(row, button) {
    const make = button.dataset.personAdministrator === "yes";
    const text = make ? "Administrators see and change everything: all teams, all hosts, all people." : "Only the roles in teams are left.";
    const yes = await confirmAction({ title: make ? `Make ${row.dataset.name} administrator?` : `Is ${row.dataset.name} no administrator any more?`, text, yes: make ? "Make administrator" : "Take it back" });
    if (yes) await change(row, { administrator: make }, make ? `${row.dataset.name} is an administrator.` : `${row.dataset.name} is no administrator any more.`);
  },
  async "[data-person-active]"(row, button) {
    const active = button.dataset.personActive === "yes";
    const yes = active || (await confirmAction({ title: `Lock ${row.dataset.name} out?`, text: "Sessions, terminals and tokens end at once. Roles and tokens stay, for letting in again.", yes: "Lock out" }));
    if (yes) await change(row, { active }, active ? `${row.dataset.name} may come in again.` : `${row.dataset.name} is locked out.`);
  },
  async "[data-person-delete]"(row) {
    const yes = await confirmAction({ title: `Delete ${row.dataset.name}?`, text: "Roles, tokens and invitations go as well. Containers and images that they made stay.", yes: "Delete" });
    if (yes && (await attempt("DELETE", `users/${row.dataset.id}/`)) === null) refreshSoon(...FRAGMENTS);
  },
  "[data-person-edit]": (row) => open(row),
};

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  const row = button?.closest("tr[data-id]");
  if (!row) return;
  for (const [selector, act] of Object.entries(ACTIONS)) if (button.matches(selector)) act(row, button);
});
