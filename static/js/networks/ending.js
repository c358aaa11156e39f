// What ends something: a network is removed, a container leaves one. Each asks first.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { busy, done } from "./dialogs.js";

/** Answers whether it is gone. */
export async function remove(button, { id, name }) {
  const answer = await confirmAction({ title: `Remove ${name}?`, text: `The network ${name} and its subnet are given up. No container is on it.`, yes: "Remove" });
  return answer ? busy(button, async () => done(await attempt("DELETE", `networks/${id}/`), name)) : false;
}

export async function disconnect(button, { id, name }) {
  const { disconnect: container, containerName } = button.dataset;
  const answer = await confirmAction({ title: `Disconnect ${containerName}?`, text: `${containerName} leaves the network ${name} at once, and its address there is given up. Connections that use it break.`, yes: "Disconnect" });
  if (answer) await busy(button, async () => done(await attempt("POST", `networks/${id}/disconnect/`, { container }), name));
}
