// A team's policy and quotas: asked for when the tab is looked at, changed over REST.
import { attempt } from "../api.js";
import { $, $$, el } from "../dom.js";
import { size } from "../format.js";
import { sendForm } from "../send_form.js";
import { toast } from "../toast.js";

const MEBIBYTE = 1024 * 1024;
const NAMES = { containers: "Containers", volumes: "Volumes", networks: "Networks", disk_bytes: "Images and volumes" };

function usage(name, { used, quota }) {
  const said = name === "disk_bytes" ? size : String;
  const full = quota !== null && used >= quota;
  const look = full ? { class: "bad" } : {};
  const row = el("div", { class: "quota" }, el("dt", {}, NAMES[name]),
    el("dd", look, quota === null ? said(used) : `${said(used)} of ${said(quota)}`));
  if (quota) row.append(el("meter", { ...look, max: String(quota), value: String(Math.min(used, quota)), "aria-label": `${NAMES[name]}, used` }));
  return row;
}

/** `base`: the team's address in REST. Answers what shows the panel for the first time. */
export function startPolicy(base) {
  const root = $("[data-policy]");
  if (!root) return () => {};
  const form = $("[data-policy-form]", root);
  const path = `${base}policy/`;
  let shown = {};
  let isAsked = false;

  function show(policy) {
    shown = policy;
    for (const field of $$("[name]", form)) {
      const value = policy[field.name];
      if ("among" in field.dataset) field.checked = value.includes(field.value);
      else if ("flag" in field.dataset) field.checked = value;
      else if ("lines" in field.dataset) field.value = value.join("\n");
      else if ("mebibytes" in field.dataset) field.value = value === null ? "" : String(value / MEBIBYTE);
      else field.value = value ?? "";
    }
    $("[data-usage]", root).replaceChildren(...Object.entries(policy.usage).map(([name, one]) => usage(name, one)));
    root.hidden = false;
  }

  function read() {
    const wanted = {};
    for (const field of $$("[name]", form)) {
      if (field.closest("fieldset").disabled) continue;
      if ("among" in field.dataset) (wanted[field.name] ??= []).push(...(field.checked ? [field.value] : []));
      else if ("flag" in field.dataset) wanted[field.name] = field.checked;
      else if ("lines" in field.dataset) wanted[field.name] = field.value.split(/[\s,]+/).filter(Boolean);
      else if (field.value === "") wanted[field.name] = null;
      else wanted[field.name] = "mebibytes" in field.dataset ? Math.round(field.valueAsNumber * MEBIBYTE) : field.valueAsNumber;
    }
    const changed = Object.entries(wanted).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(shown[name]));
    return Object.fromEntries(changed);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const policy = await sendForm(form, path, { method: "PATCH", body: read() });
    if (!policy) return;
    show(policy);
    toast("Saved. It holds from now on; what runs already goes on.");
  });

  return async () => {
    if (isAsked) return; // what is typed into it and not saved yet stays
    isAsked = true;
    const policy = await attempt("GET", path);
    if (policy) show(policy);
    else isAsked = false;
  };
}
