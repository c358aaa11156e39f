// Identity providers and the second factor's policy: changed over REST.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { clearProblems, submitting } from "../images/form.js";
import { toast } from "../toast.js";

const dialog = $("#provider-dialog");
const form = $("[data-provider-form]");
const FLAGS = ["is_enabled", "creates_users", "only_mapped", "links_by_email", "asks_second_factor"];
const WORDS = ["name", "issuer", "client_id", "scopes", "groups_claim", "username_claim"];
let changed = null;

function addMapping({ group = "", team = null, role = "" } = {}) {
  const row = $("[data-mapping-template]").content.cloneNode(true).firstElementChild;
  $('[name="group"]', row).value = group;
  $('[name="team"]', row).value = team?.id ?? "";
  $('[name="role"]', row).value = role || "administrator";
  if (!role) $('[name="team"]', row).selectedIndex = Math.min(1, $('[name="team"]', row).length - 1);
  if (!role) $('[name="role"]', row).value = "developer";
  $("[data-mappings]").append(row);
  return row;
}

function open(stored) {
  changed = stored;
  form.reset();
  clearProblems(form);
  setText($("#provider-title"), stored ? `Change ${stored.name}` : "Add provider");
  form.elements.client_secret.placeholder = stored?.has_secret ? "stays as it is" : "";
  $("[data-mappings]").replaceChildren();
  if (stored) {
    for (const name of WORDS) form.elements[name].value = stored[name];
    for (const name of FLAGS) form.elements[name].checked = stored[name];
    for (const mapping of stored.mappings) addMapping(mapping);
  }
  dialog.showModal();
}

function wish() {
  const body = {};
  for (const name of WORDS) body[name] = form.elements[name].value.trim();
  for (const name of FLAGS) body[name] = form.elements[name].checked;
  if (form.elements.client_secret.value) body.client_secret = form.elements.client_secret.value;
  body.mappings = $$(".mapping", form).map((row) => ({
    group: $('[name="group"]', row).value, team: $('[name="team"]', row).value || null, role: $('[name="role"]', row).value,
  }));
  return body;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [method, path] = changed ? ["PATCH", `identity-providers/${changed.id}/`] : ["POST", "identity-providers/"];
  const answer = await submitting(form, $("[data-submit]", form), () => api(method, path, wish()));
  if (!answer) return;
  dialog.close();
  toast(`${answer.name} is saved.`);
  refreshSoon("providers");
});

$("[data-policy-form]").addEventListener("submit", async (event) => {
  event.preventDefault();
  const policy = event.currentTarget;
  const body = { require_second_factor: policy.elements.require_second_factor.checked };
  if ((await attempt("PATCH", "sign-in/", body)) === undefined) return;
  for (const box of $$("[data-team]", policy)) {
    const team = { require_second_factor: box.checked };
    if (box.checked !== box.defaultChecked && (await attempt("PATCH", `teams/${box.dataset.team}/`, team)) === undefined) return;
    box.defaultChecked = box.checked;
  }
  toast("Saved.");
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  const card = button.closest("[data-provider]");
  if (button.matches("[data-provider-new]")) open(null);
  else if (button.matches("[data-mapping-add]")) $('[name="group"]', addMapping()).focus();
  else if (button.matches("[data-mapping-remove]")) button.closest(".mapping").remove();
  else if (button.matches("[data-provider-edit]")) {
    const stored = await attempt("GET", `identity-providers/${card.dataset.provider}/`);
    if (stored) open(stored);
  } else if (button.matches("[data-provider-remove]")) {
    const yes = await confirmAction({ title: `Remove ${card.dataset.name}?`, text: "Nobody signs in with it any more. Its people stay, and need another way in.", yes: "Remove" });
    if (yes && (await attempt("DELETE", `identity-providers/${card.dataset.provider}/`)) === null) refreshSoon("providers");
  }
});
