// "Recreate": the container once more, as it is, or from the newest image of its name. Whoever looks at its page
// follows its job there, and comes to the new one.
import { attempt } from "./api.js";
import { confirmAction } from "./dialog.js";

const TEXT = "It is stopped, and another one is made in its place: with its name, options, networks, limits and volumes. What it wrote elsewhere is lost. If anything fails, it is as it was.";

/** Ask, and send. `wish`: "newest" pulls the image if nobody says otherwise; `button` is busy meanwhile. */
export async function recreate({ id, name, pullable }, button, wish) {
  const wantsNewest = wish === "newest";
  const answer = await confirmAction({
    title: `${wantsNewest ? "Update" : "Recreate"} ${name}?`, text: TEXT, yes: wantsNewest ? "Update" : "Recreate",
    check: pullable ? "Pull its image before, for the newest of its name" : null, checked: wantsNewest,
  });
  if (!answer) return;
  button.setAttribute("aria-busy", "true");
  try {
    await attempt("POST", `containers/${id}/recreate/`, { keep: true, ...(answer.checked && { pull: "always" }) });
  } finally {
    button.removeAttribute("aria-busy");
  }
}
