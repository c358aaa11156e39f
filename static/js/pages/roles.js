// The matrix of roles: ticks are gathered, shown as changed, and saved role by role.
import { api, attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, pageData, setText } from "../dom.js";
import { refresh, refreshSoon } from "../fragment.js";
import { clearProblems, submitting } from "../images/form.js";
import { onChange, onReset } from "../live.js";
import { toast } from "../toast.js";

const bar = $("[data-matrix-bar]");
const cells = () => $$("[data-cell]");
const changed = () => cells().filter((box) => box.checked !== box.defaultChecked);

// Somebody else's change must not sweep away what is ticked here and not saved yet.
const again = () => changed().length === 0 && refreshSoon("matrix");
onChange("rights", again);
onReset(again);

function mark() {
  const boxes = changed();
  for (const box of cells()) box.parentElement.toggleAttribute("data-changed", boxes.includes(box));
  bar.hidden = boxes.length === 0;
  const roles = new Set(boxes.map((box) => box.dataset.cell)).size;
  setText($("[data-matrix-changes]"), `${boxes.length} change${boxes.length > 1 ? "s" : ""} to ${roles} role${roles > 1 ? "s" : ""}`);
}

document.addEventListener("change", (event) => event.target.matches?.("[data-cell]") && mark());
document.addEventListener("fragment", mark);
window.addEventListener("beforeunload", (event) => changed().length && event.preventDefault());

/** Arrow keys move between the ticks, as in a grid; Tab does too. */
document.addEventListener("keydown", (event) => {
  const box = event.target.closest?.("[data-cell]");
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!box || !step) return;
  event.preventDefault();
  const rows = $$("tr[data-action]").map((row) => $$("[data-cell]", row));
  const at = rows.findIndex((row) => row.includes(box));
  rows[at + step[0]]?.[rows[at].indexOf(box) + step[1]]?.focus();
});

$("[data-matrix-undo]").addEventListener("click", () => {
  for (const box of changed()) box.checked = box.defaultChecked;
  mark();
});

$("[data-matrix-save]").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  button.setAttribute("aria-busy", "true");
  for (const key of new Set(changed().map((box) => box.dataset.cell))) {
    const boxes = cells().filter((box) => box.dataset.cell === key);
    const actions = boxes.filter((box) => box.checked).map((box) => box.closest("tr").dataset.action);
    if (!(await attempt("PATCH", `roles/${key}/`, { actions }))) continue;
    for (const box of boxes) box.defaultChecked = box.checked;
  }
  mark();
  if (changed().length === 0) {
    // With what the roles may do now: a copy of one is made of that.
    await refresh(location.href, ["matrix"], () => changed().length === 0).catch(() => refreshSoon("matrix"));
    toast("Saved.");
  }
  button.removeAttribute("aria-busy");
});

const dialog = $("#role-dialog");
const form = $("[data-role-form]");

function open(head = null, { copy = false } = {}) {
  form.reset();
  clearProblems(form);
  form.dataset.role = head && !copy ? head.dataset.role : "";
  setText($("#role-title"), form.dataset.role ? `Rename ${head.dataset.name}` : "New role");
  for (const part of $$("[data-new-only]", form)) part.hidden = Boolean(form.dataset.role);
  if (head) {
    form.elements.name.value = copy ? `${head.dataset.name} copy` : head.dataset.name;
    form.elements.description.value = head.dataset.description;
    form.elements.base.value = head.dataset.role;
  }
  if (!dialog.open) dialog.showModal();
}

$('[data-open="role-dialog"]')?.addEventListener("click", () => open());
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, description, base } = form.elements;
  const body = { name: name.value, description: description.value };
  const key = form.dataset.role;
  if (!key) body.actions = pageData("roles").find((role) => role.key === base.value)?.actions ?? [];
  const send = () => (key ? api("PATCH", `roles/${key}/`, body) : api("POST", "roles/", body));
  if (!(await submitting(form, $("[data-submit]", form), send))) return;
  dialog.close();
  if (key) await refresh(location.href, ["matrix"]);
  else location.reload();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button");
  const head = button?.closest("th[data-role]");
  if (!head) return;
  if (button.matches("[data-role-edit]")) open(head);
  if (button.matches("[data-role-copy]")) open(head, { copy: true });
  if (!button.matches("[data-role-delete]")) return;
  const yes = await confirmAction({ title: `Delete the role ${head.dataset.name}?`, text: "Nobody has it. It can't be brought back.", yes: "Delete" });
  if (yes && (await attempt("DELETE", `roles/${head.dataset.role}/`)) === null) location.reload();
});
