// A container in place of another. The new one is made first, with its image pulled: only then does the old one stop and
// give up its name. It goes when the new one runs; if that fails, the new one goes, and the old one is as it was.
import { Problem, api } from "./api.js";
import { jobEnd } from "./live.js";

/** Send something to be done to a container, and wait until it is. Throws Problem. */
async function done(method, path, body) {
  const answer = await api(method, path, body);
  const job = answer?.job && (await jobEnd(answer.job.id, () => api("GET", answer.job.url)));
  if (!job || job.status === "succeeded") return answer;
  throw new Problem(409, { family: job.error?.family, detail: job.error?.message ?? "It was cancelled." });
}

/**
 * Make what `body` says (as REST takes it) in place of `old` {id, name}; answers the new one's id. `tell(text)` is told
 * what is being done. Throws Problem.
 */
export async function replaceContainer(old, body, tell) {
  const { start = true, name = old.name, ...rest } = body;
  const { status } = await api("GET", `containers/${old.id}/`);
  tell("Making the new container …");
  const made = await api("POST", "containers/", { ...rest, ...(name === old.name ? {} : { name }), start: false });
  const { id } = made.container;
  const back = [() => done("DELETE", `containers/${id}/?force=true`)];
  try {
    const job = await jobEnd(made.job.id, () => api("GET", made.job.url));
    if (job.status !== "succeeded") throw new Problem(409, { detail: job.error?.message ?? "It was cancelled." });
    if (["running", "paused", "restarting"].includes(status)) {
      tell(`Stopping ${old.name} …`);
      back.push(() => done("POST", `containers/${old.id}/start/`, {}));
      await done("POST", `containers/${old.id}/stop/`, {});
    }
    if (name === old.name) {
      await done("POST", `containers/${old.id}/rename/`, { name: `${old.name.slice(0, 110)}-${old.id.slice(0, 12)}` });
      back.push(() => done("POST", `containers/${old.id}/rename/`, { name: old.name }));
      await done("POST", `containers/${id}/rename/`, { name });
    }
    if (start) {
      tell("Starting the new container …");
      await done("POST", `containers/${id}/start/`, {});
    }
  } catch (problem) {
    tell(`It failed: ${old.name} is brought back …`);
    for (const step of back) await step().catch(() => {});
    throw problem;
  }
  tell(`Removing what was ${old.name} …`);
  await done("DELETE", `containers/${old.id}/`).catch(() => {}); // it rests beside the new one then, for all to see
  return id;
}
