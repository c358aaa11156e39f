// Passkeys: the site's JSON to what the browser's API wants, and its answer back. Bytes travel as base64url.
import { $ } from "./dom.js";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const withBytes = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

export const canUsePasskeys = () => Boolean(globalThis.PublicKeyCredential && navigator.credentials);

/** Send JSON to one of the site's pages; answers {ok, body}. */
export async function postJson(path, body = {}) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": $('meta[name="csrf-token"]').content };
  try {
    const response = await fetch(path, { method: "POST", headers, credentials: "same-origin", body: JSON.stringify(body) });
    return { ok: response.ok, status: response.status, body: await response.json().catch(() => ({})) };
  } catch {
    return { ok: false, status: 0, body: { detail: "The site can't be reached. Is it running, and are you online?" } };
  }
}

/** Have the browser make a passkey; answers its JSON. Throws the browser's DOMException. */
export async function makePasskey({ publicKey }) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      user: { ...publicKey.user, id: bytes(publicKey.user.id) },
      excludeCredentials: withBytes(publicKey.excludeCredentials),
    },
  });
  const { clientDataJSON, attestationObject } = made.response;
  return { ...outline(made), response: { clientDataJSON: text(clientDataJSON), attestationObject: text(attestationObject) } };
}

/** Have the browser show one; answers its JSON. Throws the browser's DOMException. */
export async function showPasskey({ publicKey }) {
  const shown = await navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: bytes(publicKey.challenge),
      allowCredentials: withBytes(publicKey.allowCredentials),
    },
  });
  const { clientDataJSON, authenticatorData, signature, userHandle } = shown.response;
  return {
    ...outline(shown),
    response: {
      clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature),
      ...(userHandle ? { userHandle: text(userHandle) } : {}),
    },
  };
}

/** What the browser says when it gives up, in words. */
export function whyNot(error) {
  if (error.name === "InvalidStateError") return "This device or key has a passkey for you already.";
  if (error.name === "NotAllowedError") return "No passkey was used: it was cancelled, or it took too long.";
  return `The browser says: ${error.message}`;
}

function outline(credential) {
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type };
}
