// The dialogs that make a network and let a container join one. They stay open until the host has done it.
import { settled } from "../actions.js";
import { api, attempt } from "../api.js";
import { $, $$, pageData, setText } from "../dom.js";
import { clearProblems, showProblems, submitting } from "../images/form.js";
import { jobEnd } from "../live.js";

/** Whether the job of an answer went well; what failed is told by a toast. */
export async function done(answer, name) {
  return Boolean(answer?.job) && settled(await jobEnd(answer.job.id, () => api("GET", answer.job.url)), name);
}

/** Do `work` while the button shows it; answers what it answers. */
export async function busy(button, work) {
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** `read(form)` answers {method's path, body, name}, or null when something is missing and was said. */
export function startForm(dialog, read) {
  const form = $("form", dialog);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = $("[data-submit]", form);
    if (button.getAttribute("aria-busy") === "true") return;
    const wish = read(form);
    if (!wish) return;
    const answer = await submitting(form, button, () => api("POST", wish.path, wish.body));
    if (!answer) return;
    button.setAttribute("aria-busy", "true");
    const isDone = await done(answer, wish.name);
    button.removeAttribute("aria-busy");
    if (!isDone) return;
    dialog.close();
    form.reset();
  });
}

const V4 = ["subnet", "gateway", "ip_range"];
const V6 = ["subnet6", "gateway6", "ip_range6"];

export function startCreateNetwork() {
  const dialog = $("#network-dialog");
  if (!dialog) return;
  const fields = $("form", dialog).elements;
  const modes = pageData("network-modes");

  /** What belongs to a driver or to IPv6 is there when that is chosen. */
  function showParts() {
    const driver = fields.driver.value;
    const shown = { v6: fields.ipv6.checked, wire: driver !== "bridge", bridge: driver === "bridge" };
    for (const part of $$("[data-shown]", dialog)) part.hidden = !shown[part.dataset.shown];
    const offered = modes[driver] ?? [];
    if (fields.mode.dataset.of === driver) return;
    fields.mode.dataset.of = driver;
    fields.mode.replaceChildren(...offered.map((mode) => new Option(mode, mode)));
  }

  startForm(dialog, (form) => {
    const isBridge = fields.driver.value === "bridge";
    const body = { name: fields.name.value.trim() };
    if (!body.name) return void showProblems(form, { name: ["Give the network a name, such as front."] });
    if (isBridge) Object.assign(body, { internal: fields.internal.checked, icc: fields.icc.checked });
    else Object.assign(body, { driver: fields.driver.value, parent: fields.parent.value.trim(), mode: fields.mode.value });
    if (fields.host) body.host = fields.host.value;
    if (fields.ipv6.checked) body.ipv6 = true;
    for (const name of [...V4, ...(body.ipv6 ? V6 : [])]) if (fields[name].value.trim()) body[name] = fields[name].value.trim();
    if (body.parent === "") delete body.parent;
    if (fields.mtu.value) body.mtu = Number(fields.mtu.value);
    return { path: "networks/", body, name: body.name };
  });
  dialog.addEventListener("input", showParts);
  dialog.addEventListener("reset", () => setTimeout(showParts));
  showParts();
  if (new URLSearchParams(location.search).has("new")) dialog.showModal();
}

/** Answers a function that opens the dialog for a row of the list. */
export function startConnect() {
  const dialog = $("#connect-dialog");
  if (!dialog) return () => {};
  let network = null;
  startForm(dialog, (form) => {
    const { container, ip, ip6, aliases, mac_address: mac } = form.elements;
    if (!container.value.trim()) return void showProblems(form, { container: ["Name a container of this host."] });
    const names = aliases.value.split(/[\s,]+/).filter(Boolean);
    const body = { container: container.value.trim(), ip: ip.value.trim() || null, ip6: ip6.value.trim() || null, mac_address: mac.value.trim() || null, aliases: names };
    return { path: `networks/${network.id}/connect/`, body, name: network.name };
  });
  return async (row) => {
    network = { ...row.dataset };
    clearProblems($("form", dialog));
    $("[data-ipv6]", dialog).hidden = network.ipv6 !== "yes";
    if (network.ipv6 !== "yes") $("form", dialog).elements.ip6.value = "";
    setText($("#connect-title"), `Connect a container to ${network.name}`);
    const list = $("#connect-containers");
    list.replaceChildren();
    dialog.showModal();
    const found = await attempt("GET", `containers/?host=${encodeURIComponent(network.host)}&page_size=1000`);
    list.replaceChildren(...(found?.results ?? []).map((one) => new Option(one.name, one.name)));
  };
}
