// The tags that a repository has at its registry, offered while its name is typed.
import { api } from "../api.js";

const WAIT_MS = 400;
const OFFERED = 200;
const known = new Map();

/** Once `input` holds a repository and a colon, `list` (a datalist) has its tags; a registry that says no offers none. */
export function startTagOffers(input, list, host) {
  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    const repository = /^(\S*[^\s/:]):[^/:]*$/.exec(input.value)?.[1];
    if (repository) waiting = setTimeout(() => offer(repository), WAIT_MS);
  });

  async function offer(repository) {
    const asked = new URLSearchParams({ reference: repository, ...(host()?.value && { host: host().value }) });
    if (!known.has(`${asked}`)) known.set(`${asked}`, api("GET", `images/remote-tags/?${asked}`).catch(() => ({ tags: [] })));
    const { tags } = await known.get(`${asked}`);
    if (!input.value.startsWith(`${repository}:`)) return;
    list.replaceChildren(...tags.slice(-OFFERED).reverse().map((tag) => new Option("", `${repository}:${tag}`)));
  }
}
