// "A newer image exists": registries are asked, the badges follow by themselves.
import { api, attempt } from "../api.js";
import { jobEnd } from "../live.js";
import { toast } from "../toast.js";

/** Ask for these images (ids of REST), for all when there are none; one toast tells what was found. */
export async function lookUp(images, button) {
  button.setAttribute("aria-busy", "true");
  const asked = await attempt("POST", "images/lookup/", images ? { images } : {});
  const jobs = asked ? await Promise.all(asked.jobs.map((job) => jobEnd(job.id, () => api("GET", job.url)))) : [];
  button.removeAttribute("aria-busy");
  if (!asked) return;
  if (!jobs.length) return toast("None of these tags came from a registry, so there is nothing to ask.");
  const failed = jobs.find((job) => job.status !== "succeeded");
  if (failed) return toast(`${failed.subject}: ${failed.error?.message ?? "The question was cancelled."}`, { bad: true, href: `/jobs/${failed.id}/`, link: "Show the job" });
  const answers = jobs.flatMap((job) => job.result.images ?? []);
  toast(`${answers.length} tag${answers.length === 1 ? "" : "s"} looked up. ${limitText(jobs.find((job) => job.result.rate_limit)?.result.rate_limit)}`.trim());
}

/** A registry's limit in words, or nothing. */
export function limitText(limit) {
  if (!limit || limit.remaining === null || limit.remaining === undefined) return "";
  const hours = limit.window_seconds ? ` in ${Math.round(limit.window_seconds / 360) / 10} h` : "";
  return `${limit.remaining}${limit.limit ? ` of ${limit.limit} pulls` : ""} left${hours}.`;
}
