// Adding a passkey, and asking for another name; the rest of the page is plain forms.
import { $, $$, el, setText } from "../dom.js";
import { canUsePasskeys, makePasskey, postJson, whyNot } from "../passkeys.js";

const form = $("[data-passkey-form]");
const CONFIRM = "/settings/confirm/";

function refused({ status, body }) {
  if (status === 403 && body.detail?.includes(CONFIRM)) {
    location.assign(`${CONFIRM}?next=${encodeURIComponent(location.pathname)}`);
    return "";
  }
  return body.errors?.name?.join(" ") ?? body.detail ?? "That did not work: load the page anew.";
}

async function add() {
  const options = await postJson("/settings/passkeys/options/");
  if (!options.ok) return refused(options);
  let answer;
  try {
    answer = await makePasskey(options.body);
  } catch (error) {
    return whyNot(error);
  }
  const done = await postJson("/settings/passkeys/add/", { answer, name: form.elements.name.value });
  if (!done.ok) return refused(done);
  if (!done.body.codes.length) {
    location.reload();
    return "";
  }
  $("[data-recovery-list]").replaceChildren(...done.body.codes.map((code) => el("li", {}, el("code", {}, code))));
  const shown = $("[data-recovery]");
  shown.hidden = false;
  shown.append(el("p", {}, el("a", { class: "button", href: location.pathname }, "I have them")));
  form.hidden = true;
  shown.scrollIntoView();
  return "";
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const place = $("[data-problem]", form);
  const button = $("button", form);
  if (!form.elements.name.value.trim()) return setText(place, "Give it a name by which you know it again.");
  if (!canUsePasskeys()) return setText(place, "This browser has no passkeys.");
  setText(place, "");
  button.setAttribute("aria-busy", "true");
  setText(place, await add());
  button.removeAttribute("aria-busy");
  return undefined;
});

const { elements } = $("[data-rename-form]");
for (const button of $$("[data-passkey-rename]")) {
  button.addEventListener("click", () => {
    elements.id.value = button.dataset.passkeyRename;
    elements.name.value = button.dataset.name;
    $("#passkey-dialog").showModal();
  });
}
