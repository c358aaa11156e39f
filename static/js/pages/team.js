// One team: members, invitations, service accounts, host groups; changed over REST, live for everybody who looks.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { submitting } from "../images/form.js";
import { onChange, onReset } from "../live.js";
import { startAccounts } from "../people/accounts.js";
import { startGroups } from "../people/groups.js";
import { startPolicy } from "../people/policy.js";
import { showSecret } from "../people/secret.js";
import { startWebhooks } from "../people/webhooks.js";
import { startTabs } from "../tabs.js";
import { toast } from "../toast.js";

const root = $("#team");
const base = `teams/${root.dataset.id}/`;
const again = () => refreshSoon("head", "members", "member-count", "invitations", "invitation-count", "accounts", "groups", "hosts", "webhooks");

onChange("team", (change) => change.object_id === root.dataset.id && again());
onChange("host", () => refreshSoon("hosts"));
onReset(again);

const showPolicy = startPolicy(base);
startTabs($("[data-tabs]"), (panel) => panel === "view-policies" && showPolicy());

/** Send a form when it is submitted; `body` makes what is sent, `then` gets the answer. `path`, `method`: of the form, if functions. */
function onSubmit(selector, path, body, then, method = "POST") {
  const form = $(selector);
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [to, how] = [path, method].map((part) => (typeof part === "function" ? part(form) : part));
    const answer = await submitting(form, $("[data-submit]", form), () => api(how, to, body(form.elements, form)));
    if (answer === undefined) return;
    form.closest("dialog")?.close();
    form.reset();
    again();
    then?.(answer);
  });
}

onSubmit("[data-member-form]", `${base}members/`, ({ user, role }) => ({ user: user.value.trim(), role: role.value }), (one) => toast(`${one.user.username} is in the team.`));
onSubmit("[data-invite-form]", `${base}invitations/`, ({ note, role, days }) => ({ note: note.value, role: role.value, days: days.valueAsNumber }), (one) =>
  showSecret("Send this link to whom you invite. Copy it now: it is not shown again.", one.url));
onSubmit("[data-rename-team-form]", base, ({ name }) => ({ name: name.value }), (one) => {
  root.dataset.name = one.name;
  document.title = document.title.replace(/^[^·]*/, () => `${one.name} `);
  $("#team-new-name").value = one.name;
}, "PATCH");

const grant = $("[data-grant-form]");
grant?.elements.place.addEventListener("change", showRepository);
function showRepository() {
  $("[data-for-repository]", grant).hidden = grant.elements.place.value !== "repository";
}
onSubmit("[data-grant-form]", (form) => `${base}members/${form.dataset.member}/grants/`, ({ role, place, repository }) => {
  const [kind, id] = place.value.split(/:(.*)/s);
  return { role: role.value, [kind]: kind === "repository" ? repository.value.trim() : id };
});

const MEMBERS = {
  "[data-grant-new]"(row) {
    grant.reset();
    grant.dataset.member = row.dataset.id;
    setText($("#grant-title"), `Grant ${row.dataset.name} a further role`);
    showRepository();
    $("#grant-dialog").showModal();
  },
  async "[data-grant-remove]"(row, button) {
    const id = button.closest("[data-grant]").dataset.grant;
    if ((await attempt("DELETE", `${base}members/${row.dataset.id}/grants/${id}/`)) === null) again();
  },
  async "[data-member-remove]"(row) {
    if (row.dataset.id === root.dataset.me) return leave();
    const yes = await confirmAction({ title: `Take ${row.dataset.name} out of ${root.dataset.name}?`, text: "All roles here end at once, open terminals too. What they made stays.", yes: "Take out" });
    if (yes && (await attempt("DELETE", `${base}members/${row.dataset.id}/`)) === null) again();
  },
  async "[data-invitation-withdraw]"(row) {
    const yes = await confirmAction({ title: "Withdraw the invitation?", text: `The link for ${row.dataset.name} opens nothing any more.`, yes: "Withdraw" });
    if (yes && (await attempt("DELETE", `${base}invitations/${row.dataset.id}/`)) === null) again();
  },
};

async function leave() {
  const yes = await confirmAction({ title: `Leave ${root.dataset.name}?`, text: "You see nothing of it any more, until somebody lets you in again.", yes: "Leave" });
  if (yes && (await attempt("DELETE", `${base}members/${root.dataset.me}/`)) === null) location.assign("/teams/");
}

async function removeTeam() {
  const yes = await confirmAction({ title: `Delete ${root.dataset.name}?`, text: "Only a team that owns nothing goes. Its members lose their roles in it.", yes: "Delete" });
  if (yes && (await attempt("DELETE", base)) === null) location.assign("/teams/");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button");
  if (button?.matches("[data-team-leave]")) leave();
  if (button?.matches("[data-team-delete]")) removeTeam();
  const row = button?.closest("tr[data-id]");
  if (!row) return;
  for (const [selector, act] of Object.entries(MEMBERS)) if (button.matches(selector)) act(row, button);
});

document.addEventListener("change", async (event) => {
  const select = event.target;
  if (!select.matches?.("[data-member-role]")) return;
  const row = select.closest("tr");
  const answer = await attempt("PATCH", `${base}members/${row.dataset.id}/`, { role: select.value });
  if (answer) toast(`${row.dataset.name} is ${select.selectedOptions[0].textContent.toLowerCase()} now.`);
  again();
});

startAccounts(base, onSubmit, again);
startWebhooks(onSubmit, () => refreshSoon("webhooks"));
startGroups(base, onSubmit, again);
