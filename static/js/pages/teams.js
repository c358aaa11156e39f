// The list of teams; a new one is opened at once.
import { api } from "../api.js";
import { $ } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { submitting } from "../images/form.js";
import { onChange, onReset } from "../live.js";

for (const kind of ["team", "rights"]) onChange(kind, () => refreshSoon("list"));
onReset(() => refreshSoon("list"));

$("#team-dialog form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.currentTarget;
  const made = await submitting(form, $("[data-submit]", form), () => api("POST", "teams/", { name: form.elements.name.value }));
  if (made) location.assign(`/teams/${made.id}/`);
});
