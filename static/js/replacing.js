// A container in place of another: one job of its host, which brings the old one back if anything fails. It goes on
// without this page.
import { Problem, api } from "./api.js";
import { size } from "./format.js";
import { jobEnd, onChange } from "./live.js";

/**
 * Make what `body` says (as REST takes it) in place of `old` {id, name}; answers the new one's id. `tell(text)` is told
 * what is being done. Throws Problem.
 */
export async function replaceContainer(old, body, tell) {
  const { host: _, ...wishes } = body;
  const made = await api("POST", `containers/${old.id}/recreate/`, { start: true, ...wishes });
  tell("Waiting for the host to take it.");
  onChange("job", ({ object }) => object?.id === made.job.id && object.status === "running" && tell(progressOf(object)));
  const job = await jobEnd(made.job.id, () => api("GET", made.job.url));
  if (job.status === "succeeded") return made.container.id;
  throw new Problem(409, { family: job.error?.family, detail: job.error?.message ?? "It was cancelled." });
}

function progressOf(job) {
  const { phase, items } = job.progress;
  const [done, total] = ["done_bytes", "total_bytes"].map((name) => items.reduce((sum, item) => sum + item[name], 0));
  const text = phase ? phase[0].toUpperCase() + phase.slice(1) : "At work";
  return total ? `${text}: ${size(done)} of ${size(total)} …` : `${text} …`;
}
