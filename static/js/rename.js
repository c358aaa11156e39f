// Another name for a container: the dialog stays until the site has taken the name.
import { Problem, api } from "./api.js";
import { $, setText } from "./dom.js";
import { jobEnd } from "./live.js";

/** Ask for the name; answers the finished job, or null when it was left. */
export function rename(id, name) {
  const dialog = $("#rename-dialog");
  const form = $("form", dialog);
  const input = form.elements.name;
  setText($("#rename-title"), `Rename ${name}`);
  input.value = name;
  complain("");
  dialog.returnValue = "no";
  dialog.showModal();
  input.select();
  return new Promise((resolve) => {
    let job = null;
    async function submit(event) {
      event.preventDefault();
      const wish = input.value.trim();
      if (wish === name) return dialog.close("no");
      try {
        const accepted = await api("POST", `containers/${id}/rename/`, { name: wish });
        job = jobEnd(accepted.job.id, () => api("GET", accepted.job.url));
        dialog.close("yes");
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        complain(problem.fields.name?.join(" ") ?? problem.message);
      }
    }
    form.addEventListener("submit", submit);
    dialog.addEventListener("close", () => {
      form.removeEventListener("submit", submit);
      resolve(job);
    }, { once: true });
  });

  function complain(text) {
    setText($("#rename-problem"), text);
    input.removeAttribute("aria-invalid");
    if (!text) return;
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}
