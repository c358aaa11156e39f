// A team's webhooks, and what was sent to each.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, el, setText } from "../dom.js";
import { timeElement } from "../time.js";
import { toast } from "../toast.js";
import { showSecret } from "./secret.js";

const WORDS = { waiting: "Waiting", delivered: "Delivered", failed: "Failed" };
const STATUS = { waiting: "queued", delivered: "succeeded", failed: "failed" };
const PING_SECONDS = 2.5;

export function startWebhooks(onSubmit, again) {
  const place = $("[data-webhook-deliveries]");
  if (!place) return;

  onSubmit("[data-webhook-form]", "webhooks/", ({ name, url, events, reaches_local: near }) => ({
    team: $("#team").dataset.id, name: name.value.trim(), url: url.value.trim(),
    events: events.value.split(/[\s,]+/).filter(Boolean), ...(near?.checked ? { reaches_local: true } : {}),
  }), (made) => showSecret("Copy the secret that signs messages now: it is not shown again.", made.secret));

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
      if (await attempt("POST", `webhooks/${hook.id}/deliveries/${one.id}/again/`, {})) look(hook);
    });
    const said = [one.answer_status ? `answered ${one.answer_status}` : "", one.problem, one.attempts > 1 ? `${one.attempts} tries` : ""].filter(Boolean).join(", ");
    const more = [el("pre", { class: "delivery-body", tabindex: "0" }, JSON.stringify(one.body, null, 2))];
    if (one.answer) more.push(el("pre", { class: "delivery-body", tabindex: "0" }, one.answer));
    return el("li", { class: "delivery" }, el("details", {},
      el("summary", {}, el("code", {}, one.event), el("span", { class: "status", "data-status": STATUS[one.status] }, WORDS[one.status]),
        el("span", { class: "faint" }, said), el("span", { class: "faint" }, timeElement(one.created_at))),
      ...more, retry));
  }

  const ACTIONS = {
    "[data-webhook-log]": (row) => look(row.dataset),
    async "[data-webhook-test]"(row) {
      if (!(await attempt("POST", `webhooks/${row.dataset.id}/test/`, {}))) return;
      toast("A ping is on its way.");
      setTimeout(() => look(row.dataset), 1000 * PING_SECONDS);
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
