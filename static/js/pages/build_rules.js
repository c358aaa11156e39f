// Rules by which forges have something built, and who the team is at git servers: stored and changed over REST.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, setText } from "../dom.js";
import { refresh, refreshSoon } from "../fragment.js";
import { clearProblems, submitting } from "../images/form.js";
import { onChange } from "../live.js";
import { toast } from "../toast.js";

const ruleDialog = $("#rule-dialog");
const ruleForm = $("[data-rule-form]");
const serverDialog = $("#server-dialog");
const serverForm = $("[data-server-form]");
const sshDialog = $("#ssh-dialog");
const sshForm = $("[data-ssh-form]");
const words = (text) => text.split(/[\s,]+/).filter(Boolean);
let changing = null;

onChange("build", () => refreshSoon("rules"));

async function openRule(id = null) {
  changing = id && (await attempt("GET", `builds/rules/${id}/`));
  if (id && !changing) return;
  ruleForm.reset();
  clearProblems(ruleForm);
  setText($("#rule-title"), changing ? `Change ${changing.name}` : "New rule");
  const fields = ruleForm.elements;
  fields.host.disabled = Boolean(changing);
  if (changing) {
    for (const name of ["name", "repository", "directory", "target"]) fields[name].value = changing[name];
    fields.dockerfile.value = changing.dockerfile === "Dockerfile" ? "" : changing.dockerfile;
    fields.branches.value = changing.branches.join(" ");
    fields.tags.value = changing.tags.join(" ");
    fields.names.value = changing.names.join("\n");
    fields.enabled.checked = changing.enabled;
    fields.push.checked = changing.push;
    fields.host.value = changing.host.id;
  }
  $("[data-rule-ssh]").replaceChildren();
  for (const [agent, key] of Object.entries(changing?.ssh_keys ?? {})) addSshKey(agent, key);
  const hasKeys = storedKeys().length > 0;
  $("[data-rule-ssh-add]").disabled = !hasKeys;
  $("[data-rule-ssh-add]").title = hasKeys ? "" : "Store one first, below on this page";
  ruleDialog.showModal();
}

/** The names of the keys that are stored, as the page shows them now. */
function storedKeys() {
  return [...new Set($$("[data-ssh]").map((row) => row.dataset.name))];
}

function addSshKey(agent = "", key = storedKeys()[0]) {
  const row = $("#rule-ssh-row").content.firstElementChild.cloneNode(true);
  const names = storedKeys();
  if (!names.includes(key)) names.unshift(key); // it was forgotten since: saving says so
  $("[data-stored]", row).append(...names.map((name) => new Option(name, name)));
  $("[data-stored]", row).value = key;
  $("[data-agent]", row).value = agent;
  $("[data-rule-ssh]").append(row);
  return row;
}

ruleForm?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = ruleForm.elements;
  const body = {
    name: fields.name.value, repository: fields.repository.value.trim(), branches: words(fields.branches.value),
    tags: words(fields.tags.value), names: words(fields.names.value), directory: fields.directory.value.trim(),
    dockerfile: fields.dockerfile.value.trim() || "Dockerfile", target: fields.target.value.trim(),
    push: fields.push.checked,
    ssh_keys: Object.fromEntries($$("[data-rule-ssh] .pair").map((row) => [$("[data-agent]", row).value.trim() || "default", $("[data-stored]", row).value])),
  };
  const button = $("[data-submit]", ruleForm);
  if (changing) {
    const saved = await submitting(ruleForm, button, () => api("PATCH", `builds/rules/${changing.id}/`, { ...body, enabled: fields.enabled.checked }));
    if (!saved) return;
    toast(`${saved.name} is saved.`);
  } else {
    const made = await submitting(ruleForm, button, () => api("POST", "builds/rules/", { ...body, host: fields.host.value }));
    if (!made) return;
    showSecret(made.rule.hook, made.secret);
  }
  ruleDialog.close();
  refreshSoon("rules");
});

function showSecret(hook, secret) {
  const dialog = $("#secret-dialog");
  setText($("[data-secret-hook]", dialog), location.origin + hook);
  setText($("[data-secret]", dialog), secret);
  dialog.showModal();
  dialog.addEventListener("close", () => setText($("[data-secret]", dialog), ""), { once: true });
}

serverForm?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { server, username, password, ca_pem: ca, team } = serverForm.elements;
  const body = { server: server.value, username: username.value, password: password.value, ca_pem: ca.value };
  if (team) body.team = team.value;
  const saved = await submitting(serverForm, $("[data-submit]", serverForm), () => api("POST", "builds/git-servers/", body));
  if (!saved) return;
  serverDialog.close();
  toast(`${saved.server} is saved.`);
  await refresh(location.href, ["servers"]);
});

sshForm?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, private_key: key, team } = sshForm.elements;
  const body = { name: name.value.trim(), private_key: key.value };
  if (team) body.team = team.value;
  const saved = await submitting(sshForm, $("[data-submit]", sshForm), () => api("POST", "builds/ssh-keys/", body));
  if (!saved) return;
  sshForm.reset(); // no private key stays on the page
  sshDialog.close();
  toast(`${saved.name} is saved.`);
  await refresh(location.href, ["ssh-keys"]);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button");
  if (!button) return;
  const rule = button.closest("[data-rule]");
  const server = button.closest("[data-server]");
  if (button.matches("[data-rule-new]")) openRule();
  else if (button.matches("[data-rule-ssh-add]")) $("[data-agent]", addSshKey()).focus();
  else if (button.matches("[data-rule-ssh-remove]")) button.closest(".pair").remove();
  else if (button.matches("[data-server-new]")) {
    serverForm.reset();
    clearProblems(serverForm);
    serverDialog.showModal();
  } else if (button.matches("[data-ssh-new]")) {
    sshForm.reset();
    clearProblems(sshForm);
    sshDialog.showModal();
  } else if (button.matches("[data-ssh-remove]")) {
    const key = button.closest("[data-ssh]").dataset;
    const yes = await confirmAction({ title: `Forget ${key.name}?`, text: "Builds can’t sign in with it any more. Remove its public half from the servers that know it.", yes: "Forget" });
    if (yes && (await attempt("DELETE", `builds/ssh-keys/${key.ssh}/`)) === null) refreshSoon("ssh-keys");
  } else if (button.matches("[data-rule-edit]")) openRule(rule.dataset.rule);
  else if (button.matches("[data-rule-secret]")) {
    const yes = await confirmAction({ title: `A new secret for ${rule.dataset.name}?`, text: "What the forge has now is refused from then on, until it is told the new one.", yes: "Make a new one" });
    const made = yes && (await attempt("POST", `builds/rules/${rule.dataset.rule}/secret/`, {}));
    if (made) showSecret(`/hooks/builds/${rule.dataset.rule}/`, made.secret);
  } else if (button.matches("[data-rule-remove]")) {
    const yes = await confirmAction({ title: `Delete ${rule.dataset.name}?`, text: "The forge’s calls are refused from then on. Builds and images stay.", yes: "Delete" });
    if (yes && (await attempt("DELETE", `builds/rules/${rule.dataset.rule}/`)) === null) refreshSoon("rules");
  } else if (button.matches("[data-redeliver]")) {
    const id = button.closest("[data-delivery]").dataset.delivery;
    const begun = await attempt("POST", `builds/rules/${rule.dataset.rule}/deliveries/${id}/again/`, {});
    if (begun) location.assign(`/builds/${begun.build.id}/`);
  } else if (button.matches("[data-server-remove]")) {
    const yes = await confirmAction({ title: `Forget ${server.dataset.name}?`, text: "Private repositories there can’t be fetched any more.", yes: "Forget" });
    if (yes && (await attempt("DELETE", `builds/git-servers/${server.dataset.server}/`)) === null) refreshSoon("servers");
  }
});
