// What teams keep and where they publish: changed over REST.
import { $$ } from "../dom.js";
import { sendForm } from "../send_form.js";
import { toast } from "../toast.js";

for (const form of $$("[data-team-form]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { keep_logs_days: logs, keep_recordings_days: recordings, record_terminals: record } = form.elements;
    const body = { keep_logs_days: logs.valueAsNumber, keep_recordings_days: recordings.valueAsNumber, record_terminals: record.value };
    if (await sendForm(form, `teams/${form.dataset.teamForm}/`, { method: "PATCH", body })) toast("Saved.");
  });
}

for (const form of $$("[data-publish-form]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { publish_addresses: addresses, publish_default: usual } = form.elements;
    const body = { publish_addresses: addresses.value.split(/[\s,]+/).filter(Boolean), publish_default: usual.value.trim() };
    const team = await sendForm(form, `teams/${form.dataset.publishForm}/`, { method: "PATCH", body });
    if (!team) return;
    addresses.value = team.publish_addresses.join("\n");
    toast("Saved.");
  });
}
