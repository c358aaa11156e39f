// REST from pages: the session's cookie, the CSRF token, problem documents as errors.
import { $ } from "./dom.js";
import { toast } from "./toast.js";

const BASE = "/api/v1/";
const CONFIRM = "/settings/confirm/";

/** What went wrong, from `application/problem+json`: `family`, `detail` (a sentence), `fields` {name: [text]}. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The site answered ${status}.`);
    this.status = status;
    this.family = body.family ?? "internal";
    this.fields = body.errors && !Array.isArray(body.errors) ? body.errors : {};
  }
}

/** Send one request; answers the decoded body (null for 204). Throws Problem. */
export async function api(method, path, body = undefined) {
  const headers = { Accept: "application/json", "X-CSRFToken": $('meta[name="csrf-token"]')?.content ?? "" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path.startsWith("/") ? path : BASE + path, {
      method, headers, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { family: "unavailable", detail: "The site can't be reached. Is it running, and are you online?" });
  }
  if (response.status === 204) return null;
  const decoded = await response.json().catch(() => ({}));
  if (response.ok) return decoded;
  if (response.status === 401) decoded.detail = "You are signed out. Sign in again in this tab, then repeat what you did.";
  throw new Problem(response.status, decoded);
}

/** Where somebody has to confirm being there before what was refused, and comes back from; null for other problems. */
export function confirmWay(problem) {
  if (problem.status !== 403 || !problem.message.includes(CONFIRM)) return null;
  const here = location.pathname + location.search + location.hash;
  return { text: problem.message.replace(`, at ${CONFIRM}`, ""), link: "Confirm", href: `${CONFIRM}?next=${encodeURIComponent(here)}` };
}

/** The same; an error becomes a toast and the answer undefined. Who has to confirm being there first is led there. */
export async function attempt(method, path, body = undefined) {
  try {
    return await api(method, path, body);
  } catch (problem) {
    const { text = problem.message, ...way } = confirmWay(problem) ?? {};
    toast(text, { bad: true, ...way });
    return undefined;
  }
}
