// Buttons with data-copy copy the text before them.
import { $, setIcon } from "./dom.js";
import { toast } from "./toast.js";

export function startCopy() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const text = $("code", button.parentElement)?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without HTTPS browsers give no clipboard: select the text, so that Ctrl-C does it.
      getSelection().selectAllChildren($("code", button.parentElement));
      return toast("Selected: press Ctrl-C to copy it.");
    }
    setIcon(button, "check");
    setTimeout(() => setIcon(button, "copy"), 1500);
  });
}
