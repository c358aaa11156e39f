// A team's host groups, and hosts that move to another team.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, setText } from "../dom.js";
import { clearProblems, submitting } from "../images/form.js";
import { toast } from "../toast.js";

export function startGroups(base, onSubmit, again) {
  const form = $("[data-group-form]");
  const move = $("[data-move-form]");

  function open(row = null) {
    form.reset();
    clearProblems(form);
    form.dataset.group = row?.dataset.id ?? "";
    setText($("#group-title"), row ? `Change ${row.dataset.name}` : "New host group");
    const chosen = new Set(row?.dataset.hosts.split(" "));
    if (row) form.elements.name.value = row.dataset.name;
    for (const box of $$('[name="hosts"]', form)) box.checked = chosen.has(box.value);
    $("#group-dialog").showModal();
  }

  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const id = form.dataset.group;
    const hosts = $$('[name="hosts"]:checked', form).map((box) => box.value);
    const body = { name: form.elements.name.value, hosts };
    const send = () => api(id ? "PATCH" : "POST", `${base}host-groups/${id ? `${id}/` : ""}`, body);
    if (!(await submitting(form, $("[data-submit]", form), send))) return;
    $("#group-dialog").close();
    again();
  });
  onSubmit("[data-move-form]", () => `hosts/${move.dataset.host}/move/`, ({ team }) => ({ team: team.value }), (host) => toast(`${host.name} is of ${host.team.name} now.`));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button");
    if (button?.matches("[data-group-new]")) open();
    const row = button?.closest("#view-hosts tr[data-id]");
    if (!row) return;
    if (button.matches("[data-group-edit]")) open(row);
    if (button.matches("[data-host-move]")) {
      move.dataset.host = row.dataset.id;
      setText($("#move-title"), `Move ${row.dataset.name} to another team`);
      $("#move-dialog").showModal();
    }
    if (!button.matches("[data-group-delete]")) return;
    const yes = await confirmAction({ title: `Delete the group ${row.dataset.name}?`, text: "What was granted on it ends at once. The hosts stay.", yes: "Delete" });
    if (yes && (await attempt("DELETE", `${base}host-groups/${row.dataset.id}/`)) === null) again();
  });
}
