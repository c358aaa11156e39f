// Signing in or confirming by a passkey: [data-passkey="/login/passkey/"] has a button and a place for problems.
import { $, $$, setText } from "../dom.js";
import { canUsePasskeys, postJson, showPasskey, whyNot } from "../passkeys.js";

async function use(part) {
  const where = part.dataset.passkey;
  const place = $("[data-problem]", part);
  setText(place, "");
  const options = await postJson(`${where}options/`);
  if (!options.ok) return setText(place, options.body.detail ?? "That did not work: load the page anew.");
  let answer;
  try {
    answer = await showPasskey(options.body);
  } catch (error) {
    return setText(place, whyNot(error));
  }
  const done = await postJson(where, { answer, next: $('input[name="next"]')?.value ?? "" });
  if (!done.ok) return setText(place, done.body.detail ?? "That did not work: load the page anew.");
  location.assign(done.body.next);
}

for (const part of $$("[data-passkey]")) {
  part.hidden = !canUsePasskeys();
  const button = $("button", part);
  button.addEventListener("click", async () => {
    button.setAttribute("aria-busy", "true");
    await use(part);
    button.removeAttribute("aria-busy");
  });
}
