// The networks of one container's page: it joins another and leaves one while it runs; the table follows by itself.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, $$, setText } from "../dom.js";
import { refreshSoon } from "../fragment.js";
import { clearProblems } from "../images/form.js";
import { onChange } from "../live.js";
import { busy, done, startForm } from "./dialogs.js";

const DEFAULT = "bridge"; // what docker calls the default network

/** `root` holds the container's id and name, and its host's id. */
export function startNetworks(root) {
  const { id, host } = root.dataset;
  onChange("network", (change) => {
    const onIt = change.object?.containers?.some((one) => one.id === id);
    if (onIt || $(`[data-fragment="networks"] tr[data-id="${change.object_id}"]`)) refreshSoon("networks");
  });
  const dialog = $("#join-dialog");
  if (!dialog) return;
  let offered = [];
  const { network, ip, ip6 } = $("form", dialog).elements;

  startForm(dialog, (form) => {
    const { aliases, mac_address: mac } = form.elements;
    const names = aliases.value.split(/[\s,]+/).filter(Boolean);
    const body = { container: id, ip: ip.value.trim() || null, ip6: ip6.value.trim() || null, mac_address: mac.value.trim() || null, aliases: names };
    if (network.value === DEFAULT) return { path: `networks/${DEFAULT}/connect/`, body: { container: id }, name: root.dataset.name };
    return { path: `networks/${network.value}/connect/`, body, name: root.dataset.name };
  });

  function showChosen() {
    const chosen = offered.find((one) => String(one.id) === network.value);
    const isDefault = network.value === DEFAULT;
    for (const part of $$("[data-chosen]", dialog)) part.hidden = isDefault;
    if (network.value) setText($("[data-join-help]", dialog), isDefault ? "The host gives it an address there. While it is on it, it reaches the world by it, and its published ports lead there." : "");
    ip6.closest(".field").hidden = !chosen?.ipv6;
    if (!chosen?.ipv6) ip6.value = "";
    ip.placeholder = chosen?.subnet ? `a free one of ${chosen.subnet}` : "a free one";
  }

  async function open() {
    clearProblems($("form", dialog));
    network.replaceChildren();
    setText($("[data-join-help]", dialog), "");
    dialog.showModal();
    const found = await attempt("GET", `networks/?host=${encodeURIComponent(host)}&ordering=name&page_size=1000`);
    offered = (found?.results ?? []).filter((one) => !one.containers.some((other) => other.id === id));
    const options = offered.map((one) => new Option(`${one.name} · ${one.subnet}`, one.id));
    if (found && !$('[data-fragment="networks"] tr[data-id="default"]')) options.push(new Option("default network", DEFAULT));
    network.replaceChildren(...options);
    if (found && !options.length) setText($("[data-join-help]", dialog), found.results.length ? "It is on every network of its host." : "Its host has no network of a name yet: make one under Networks.");
    $("[data-submit]", dialog).disabled = !options.length;
    showChosen();
  }

  async function leave(button) {
    const row = button.closest("tr");
    const { name } = root.dataset;
    if (row.dataset.gone) {
      return void busy(button, async () => done(await attempt("POST", `containers/${id}/leave/`, { network: row.dataset.gone }), name));
    }
    const isDefault = row.dataset.id === "default";
    const which = isDefault ? "the default network" : `the network ${row.dataset.name}`;
    const answer = await confirmAction({ title: `Disconnect from ${isDefault ? which : row.dataset.name}?`, text: `${name} leaves ${which} at once, and its address there is given up. Connections that use it break.`, yes: "Disconnect" });
    if (!answer) return;
    button.setAttribute("aria-busy", "true");
    await done(await attempt("POST", `networks/${isDefault ? DEFAULT : row.dataset.id}/disconnect/`, { container: id }), name);
    button.removeAttribute("aria-busy");
  }

  network.addEventListener("change", showChosen);
  root.addEventListener("click", (event) => {
    if (event.target.closest("[data-join]")) open();
    const button = event.target.closest("[data-leave]");
    if (button && button.getAttribute("aria-busy") !== "true") leave(button);
  });
}
