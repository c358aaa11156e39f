// "Make a starter image": one call, then its job's end.
import { api, attempt } from "./api.js";
import { jobEnd } from "./live.js";
import { settled } from "./actions.js";
import { toast } from "./toast.js";

export function startStarterButtons() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-starter]");
    if (!button || button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    const host = button.dataset.host || undefined;
    const answer = await attempt("POST", "images/starter/", host ? { host } : {});
    const job = answer?.job && (await jobEnd(answer.job.id, () => api("GET", answer.job.url)));
    if (job && settled(job, "Starter image")) toast("The starter image is ready.", { href: "/containers/new/?image=portside/starter:latest", link: "Run a container from it" });
    button.removeAttribute("aria-busy");
  });
}
