// A team's webhooks, and what was sent to each.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, el, setText } from "../dom.js";
import { clearProblems } from "../images/form.js";
import { timeElement } from "../time.js";
import { toast } from "../toast.js";
import { showSecret } from "./secret.js";

const WORDS = { waiting: "Waiting", delivered: "Delivered", failed: "Failed" };
const STATUS = { waiting: "queued", delivered: "succeeded", failed: "failed" };
const PING_SECONDS = 2.5;
const COPY = "Copy the secret that signs messages now: it is not shown again.";

export function startWebhooks(onSubmit, again) {
  const place = $("[data-webhook-deliveries]");
  if (!place) return;

  const form = $("[data-webhook-form]");
  const dialog = form.closest("dialog");
  let changed = null; // the row whose webhook the dialog changes; null: it makes a new one

  onSubmit("[data-webhook-form]", () => (changed ? `webhooks/${changed.id}/` : "webhooks/"), ({ name, url, events, reaches_local: near }) => ({
    ...(changed ? {} : { team: $("#team").dataset.id }),
    name: name.value.trim(),
    ...(url.value.trim() === changed?.url ? {} : { url: url.value.trim() }), // a password in it is not shown, and stays
    events: events.value.split(/[\s,]+/).filter(Boolean),
    ...(near && near.checked !== (changed?.near === "yes") ? { reaches_local: near.checked } : {}),
  }), (made) => made.secret && showSecret(COPY, made.secret), () => (changed ? "PATCH" : "POST"));

  function change(row) {
    changed = row;
    for (const name of ["name", "url", "events"]) form.elements[name].value = row[name];
    if (form.elements.reaches_local) form.elements.reaches_local.checked = row.near === "yes";
    say(`Change ${row.name}`, "Change");
    dialog.showModal();
  }

  function say(title, button) {
    setText($("#webhook-title"), title);
    setText($("[data-submit]", form), button);
  }

  dialog.addEventListener("close", () => {
    if (changed) form.reset();
    clearProblems(form);
    changed = null;
    say("New webhook", "Make webhook");
  });

  async function look({ id, name }) {
    const found = await attempt("GET", `webhooks/${id}/deliveries/?page_size=50`);
    if (!found) return;
    setText($("#deliveries-title"), `What was sent to ${name}`);
    const rows = found.results.map((one) => delivery({ id, name }, one));
    $("[data-webhook-rows]").replaceChildren(...(rows.length ? rows : [el("li", { class: "delivery soft" }, "Nothing yet. Send a ping to try it.")]));
    place.hidden = false;
    place.scrollIntoView({ block: "nearest" });
  }

  function delivery(hook, one) {
    const retry = el("button", { type: "button", class: "button button-small" }, "Send again");
    retry.addEventListener("click", async () => {
      if (!(await attempt("POST", `webhooks/${hook.id}/deliveries/${one.id}/again/`, {}))) return;
      toast("It is sent once more.");
      setTimeout(() => look(hook), 1000 * PING_SECONDS);
    });
    const how = one.problem.replace(/\.$/, "") || (one.answer_status ? `answered ${one.answer_status}` : "");
    const said = [how, one.attempts > 1 ? `${one.attempts} tries` : ""].filter(Boolean).join(", ");
    const isTriedAgain = one.status === "waiting" && one.attempts && Date.parse(one.next_at) > Date.now();
    const more = [el("pre", { class: "delivery-body", tabindex: "0" }, JSON.stringify(one.body, null, 2))];
    if (one.answer) more.push(el("pre", { class: "delivery-body", tabindex: "0" }, one.answer));
    return el("li", { class: "delivery" }, el("details", {},
      el("summary", {}, el("code", {}, one.event), el("span", { class: "status", "data-status": STATUS[one.status] }, WORDS[one.status]),
        el("span", { class: "faint" }, said, ...(isTriedAgain ? [", next try ", timeElement(one.next_at, "until")] : [])),
        el("span", { class: "faint" }, timeElement(one.created_at))),
      ...more, retry));
  }

  const ACTIONS = {
    "[data-webhook-log]": (row) => look(row.dataset),
    async "[data-webhook-test]"(row) {
      if (!(await attempt("POST", `webhooks/${row.dataset.id}/test/`, {}))) return;
      toast("A ping is on its way.");
      setTimeout(() => look(row.dataset), 1000 * PING_SECONDS);
    },
    "[data-webhook-change]": (row) => change(row.dataset),
    async "[data-webhook-secret]"(row) {
      const yes = await confirmAction({ title: `Another secret for ${row.dataset.name}?`, text: "From now on messages are signed with it: whoever checks them by the present one refuses them, until you have put the new one there.", yes: "Make another" });
      const made = yes && (await attempt("POST", `webhooks/${row.dataset.id}/secret/`, {}));
      if (made) showSecret(COPY, made.secret);
    },
    async "[data-webhook-enable]"(row, button) {
      if (await attempt("PATCH", `webhooks/${row.dataset.id}/`, { is_enabled: button.dataset.webhookEnable === "yes" })) again();
    },
    async "[data-webhook-delete]"(row) {
      const yes = await confirmAction({ title: `Delete ${row.dataset.name}?`, text: "It is told of nothing from now on, and its log goes with it.", yes: "Delete" });
      if (!yes || (await attempt("DELETE", `webhooks/${row.dataset.id}/`)) !== null) return;
      place.hidden = true;
      again();
    },
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button");
    if (button?.matches("[data-webhook-close]")) place.hidden = true;
    const row = button?.closest("#view-webhooks tr[data-id]");
    if (!row) return;
    for (const [selector, act] of Object.entries(ACTIONS)) if (button.matches(selector)) act(row, button);
  });
}
