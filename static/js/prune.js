// Removing everything that has ended: first the site says what would go, then a person decides.
import { attempt } from "./api.js";
import { confirmAction } from "./dialog.js";
import { $ } from "./dom.js";
import { toast } from "./toast.js";

const NAMED = 12;

export function startPrune() {
  const button = $("[data-prune]");
  button?.addEventListener("click", async () => {
    const found = await attempt("POST", "containers/prune/", { dry_run: true });
    if (!found) return;
    const names = found.containers.map((container) => container.name);
    if (!names.length) return toast("No container has ended that you may remove.");
    const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : "";
    const answer = await confirmAction({
      title: `Remove ${names.length} stopped container${names.length > 1 ? "s" : ""}?`,
      text: `${names.slice(0, NAMED).join(", ")}${more}: the containers, their logs and every file that they wrote are deleted. This can't be undone.`,
      yes: "Remove",
    });
    if (!answer) return;
    button.setAttribute("aria-busy", "true");
    const asked = await attempt("POST", "containers/prune/", {});
    button.removeAttribute("aria-busy");
    if (asked) toast(`${asked.containers.length} will be removed.`, { href: "/jobs/", link: "Show the jobs" });
  });
}
