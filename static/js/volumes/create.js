// The dialog that makes a volume: what is chosen becomes the options of Docker's driver local.
import { settled } from "../actions.js";
import { api } from "../api.js";
import { $, $$ } from "../dom.js";
import { showProblems, submitting } from "../images/form.js";
import { jobEnd } from "../live.js";

const EXAMPLES = { tmpfs: ["", "size=64m"], bind: ["/srv/data", ""], nfs: [":/export", "addr=10.0.0.5,rw"] };

export function startCreateVolume() {
  const dialog = $("#volume-dialog");
  if (!dialog) return;
  const form = $("form", dialog);
  const { kind, device, o, labels, host } = form.elements;

  function showKind() {
    for (const field of $$("[data-for]", form)) field.hidden = !field.dataset.for.split(" ").includes(kind.value);
    [device.placeholder, o.placeholder] = EXAMPLES[kind.value] ?? ["", ""];
  }

  function options() {
    if (kind.value === "tmpfs") return { type: "tmpfs", device: "tmpfs", ...(o.value.trim() && { o: o.value.trim() }) };
    if (kind.value === "bind") return { type: "none", o: "bind", device: device.value.trim() };
    return { type: "nfs", device: device.value.trim(), o: o.value.trim() };
  }

  function read() {
    const body = { name: form.elements.name.value.trim() };
    if (host) body.host = host.value;
    if (kind.value) body.driver_opts = options();
    const lines = labels.value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (lines.length) body.labels = Object.fromEntries(lines.map((line) => { const [key, ...rest] = line.split("="); return [key.trim(), rest.join("=")]; }));
    return body;
  }

  form.addEventListener("input", showKind);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $("[data-submit]", form);
    if (button.getAttribute("aria-busy") === "true") return;
    const body = read();
    if (!body.name) return showProblems(form, { name: ["Give the volume a name, such as data."] });
    const answer = await submitting(form, button, () => api("POST", "volumes/", body));
    if (!answer) return;
    button.setAttribute("aria-busy", "true");
    const job = await jobEnd(answer.job.id, () => api("GET", answer.job.url));
    button.removeAttribute("aria-busy");
    if (!settled(job, body.name)) return;
    dialog.close();
    form.reset();
    showKind();
  });
  showKind();
}
