// Asking for a name, and for an owner and a mode. The dialogs stay until the host has done it.
import { Problem } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, setText } from "../dom.js";
import { clearProblems, showProblems, submitting } from "../images/form.js";
import { visible } from "./source.js";

/** Ask for a name, or with `orPath` for a whole path; `send(name)` does it. Answers what that answers, undefined when it was left. */
export function askName({ title, name = "", yes, orPath = false, send }) {
  const dialog = $("#file-name-dialog");
  const form = $("form", dialog);
  const input = form.elements.name;
  setText($("#file-name-title"), title);
  setText($("[data-submit]", form), yes);
  input.value = name;
  clearProblems(form);
  dialog.showModal();
  input.focus();
  const dot = name.lastIndexOf(".");
  input.setSelectionRange(0, dot > 0 ? dot : name.length); // what is before the ending is what people change
  return opened(dialog, form, async () => {
    const wish = input.value;
    const isPath = orPath && wish.startsWith("/") && !wish.endsWith("/");
    if (!wish || wish === "." || wish === ".." || (wish.includes("/") && !isPath)) {
      showProblems(form, { name: [`Give it a name of at least one character, without a slash${orPath ? ", or the path of its new place from the top, as /folder/name" : ""}.`] });
      return undefined;
    }
    return submitting(form, $("[data-submit]", form), () => send(wish));
  });
}

/** Ask for owner and mode of an entry; `send(changes)` does it. */
export function askOwner({ entry, send }) {
  const dialog = $("#file-own-dialog");
  const form = $("form", dialog);
  const { uid, gid, mode } = form.elements;
  const isLink = entry.type === "link";
  setText($("[data-own-name]", dialog), visible(entry.name || "/"));
  setText($("[data-bit-x]", dialog), entry.type === "directory" ? "Enter" : "Run");
  for (const part of $$("[data-own-mode]", dialog)) part.hidden = isLink;
  const all = form.elements.all;
  all.checked = false;
  $("[data-own-all]", dialog).hidden = entry.type !== "directory";
  [uid.value, gid.value, mode.value] = [entry.uid, entry.gid, entry.mode];
  clearProblems(form);
  showBits();
  dialog.showModal();
  mode.oninput = showBits;
  for (const box of $$("[data-bit]", dialog)) box.onchange = takeBits;
  return opened(dialog, form, async () => {
    const changes = {};
    for (const field of [uid, gid]) {
      if (!/^\d{1,5}$/.test(field.value.trim())) return showProblems(form, { [field.name]: ["Give a number from 0 to 65535."] });
      if (Number(field.value) !== entry[field.name]) changes[field.name] = Number(field.value);
    }
    const wish = mode.value.trim();
    if (!isLink && !/^[0-7]{3,4}$/.test(wish)) return showProblems(form, { mode: ["Give three or four octal digits, such as 0644."] });
    if (!isLink && parseInt(wish, 8) !== parseInt(entry.mode, 8)) changes.mode = wish;
    if (all.checked) {
      Object.assign(changes, { uid: Number(uid.value), gid: Number(gid.value), recursive: true });
      const sure = await confirmAction({
        title: `Give all in ${visible(entry.name || "/")} to ${changes.uid}:${changes.gid}?`,
        text: "Every file and directory in it, however deep, gets this owner and group; links are not followed. Who owns what now is noted nowhere, and containers that have the volume see it at once.",
        yes: "Change owners",
      });
      if (!sure) return undefined;
    }
    if (!Object.keys(changes).length) return entry;
    return submitting(form, $("[data-submit]", form), () => send(changes));
  });

  function showBits() {
    const bits = parseInt(mode.value, 8) || 0;
    for (const box of $$("[data-bit]", dialog)) box.checked = Boolean(bits & parseInt(box.dataset.bit, 8));
  }

  function takeBits() {
    const kept = (parseInt(mode.value, 8) || 0) & 0o7000;
    const bits = $$("[data-bit]", dialog).filter((box) => box.checked).reduce((sum, box) => sum | parseInt(box.dataset.bit, 8), kept);
    mode.value = bits.toString(8).padStart(4, "0");
  }
}

function opened(dialog, form, submit) {
  return new Promise((resolve, reject) => {
    let answer;
    async function submitted(event) {
      event.preventDefault();
      if ($("[data-submit]", form).getAttribute("aria-busy") === "true") return;
      try {
        answer = await submit();
        if (answer !== undefined) dialog.close();
      } catch (problem) {
        if (!(problem instanceof Problem)) reject(problem);
      }
    }
    form.addEventListener("submit", submitted);
    dialog.addEventListener("close", () => {
      form.removeEventListener("submit", submitted);
      resolve(answer);
    }, { once: true });
  });
}
