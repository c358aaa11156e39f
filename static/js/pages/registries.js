// Registries: stored, changed and forgotten over REST; a host tries them.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, pageData, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { clearProblems, submitting } from "../images/form.js";
import { limitText } from "../images/lookup.js";
import "../images/signing.js";
import { jobEnd } from "../live.js";
import { toast } from "../toast.js";

const dialog = $("#registry-dialog");
const form = $("[data-registry-form]");

function showCa() {
  $("[data-ca]", form).hidden = form.elements.how.value !== "ca";
}

/** The dialog, empty or with what is stored; a password that is left empty stays as it is. */
function open(stored = null) {
  form.reset();
  clearProblems(form);
  const fields = form.elements;
  setText($("#registry-title"), stored ? `Change ${stored.registry}` : "Add registry");
  fields.registry.readOnly = Boolean(stored);
  fields.password.placeholder = stored?.username ? "stays as it is" : "";
  if (stored) {
    fields.registry.value = stored.registry;
    fields.username.value = stored.username;
    fields.ca_pem.value = stored.ca_pem;
    fields.mirrors.value = stored.mirrors.join("\n");
    fields.how.value = stored.plain_http ? "plain" : !stored.tls_verify ? "any" : stored.ca_pem ? "ca" : "tls";
    if (fields.team) fields.team.value = stored.team.id;
  }
  showCa();
  dialog.showModal();
}

form?.elements.how.addEventListener("change", showCa);
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { registry, username, password, how, ca_pem: ca, mirrors, team } = form.elements;
  const body = {
    registry: registry.value, username: username.value, password: password.value,
    plain_http: how.value === "plain", tls_verify: how.value !== "any", ca_pem: how.value === "ca" ? ca.value : "",
    mirrors: mirrors.value.split("\n").map((line) => line.trim()).filter(Boolean),
  };
  if (team) body.team = team.value;
  const answer = await submitting(form, $("[data-submit]", form), () => api("POST", "registries/", body));
  if (!answer) return;
  dialog.close();
  toast(`${answer.registry} is saved.`);
  refreshSoon("registries");
});

async function test(card, button) {
  const hosts = pageData("hosts");
  button.setAttribute("aria-busy", "true");
  const stored = await find(card);
  const host = hosts.find((one) => one.team.id === stored?.team.id) ?? hosts[0];
  const accepted = await attempt("POST", `registries/${card.dataset.registry}/test/`, { host: host.id });
  const job = accepted && (await jobEnd(accepted.job.id, () => api("GET", accepted.job.url)));
  button.removeAttribute("aria-busy");
  refreshSoon("registries");
  if (!job) return;
  const good = job.status === "succeeded" && job.result.ok;
  const message = job.status === "succeeded" ? job.result.message : job.error?.message ?? "The test was cancelled.";
  toast(`${card.dataset.name}: ${message} ${limitText(job.result?.rate_limit)}`.trim(), { bad: !good });
}

async function find(card) {
  const page = await attempt("GET", "registries/?page_size=1000");
  return page?.results.find((one) => one.id === card.dataset.registry);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button");
  const card = button?.closest("[data-registry]");
  if (button?.matches("[data-registry-new]")) open();
  if (!card || button.getAttribute("aria-busy") === "true") return;
  if (button.matches("[data-registry-edit]")) {
    const stored = await find(card);
    if (stored) open(stored);
  } else if (button.matches("[data-registry-test]")) test(card, button);
  else if (button.matches("[data-registry-remove]")) {
    const yes = await confirmAction({ title: `Forget ${card.dataset.name}?`, text: "Private images from there can't be pulled or pushed any more. What is on the hosts stays.", yes: "Forget" });
    if (yes && (await attempt("DELETE", `registries/${card.dataset.registry}/`)) === null) refreshSoon("registries");
  }
});
