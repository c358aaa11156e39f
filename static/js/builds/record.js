// What a build has said, folded into the present state of its steps (engine/build/record.py has the lines).

const LOG_CHARACTERS = 2_000_000; // of one step: beyond it the oldest are let go on the page, not on the host

export const ENDED = new Set(["done", "cached", "failed", "cancelled", "skipped"]);

export class BuildRecord {
  constructor(steps = []) {
    this.steps = new Map(steps.map((step) => [step.id, step]));
    this.logs = new Map();
    this.ended = false;
  }

  /** Take one line; answers the ids of the steps that it changes. */
  take(line) {
    if (line.type === "again") {
      const ids = [...this.steps.keys()];
      this.steps.clear();
      this.logs.clear();
      return ids;
    }
    if (line.type === "step") {
      this.steps.set(line.id, { stage: "", inputs: [], ...this.steps.get(line.id), ...line });
      return [line.id];
    }
    if (line.type === "log") {
      const text = (this.logs.get(line.id) ?? "") + line.text;
      this.logs.set(line.id, text.length > LOG_CHARACTERS ? text.slice(text.indexOf("\n", text.length - LOG_CHARACTERS) + 1) : text);
      return [line.id];
    }
    if (line.type === "end") this.ended = true;
    return [];
  }

  list() {
    return [...this.steps.values()];
  }

  count(...states) {
    return this.list().filter((step) => states.includes(step.state)).length;
  }

  /** The step whose log people want to see when they chose none: what failed, or what runs, or what ended last. */
  current() {
    const steps = this.list();
    const last = (test) => steps.findLast(test);
    return last((step) => step.state === "failed") ?? last((step) => step.state === "running" && this.logs.has(step.id))
      ?? last((step) => step.state === "running") ?? last((step) => this.logs.has(step.id)) ?? steps.at(-1);
  }
}

/** Seconds that a step has taken, or takes so far. */
export function secondsOf(step, now = Date.now() / 1000) {
  if (step.seconds !== null && step.seconds !== undefined) return step.seconds;
  return step.state === "running" && step.started_at ? Math.max(0, now - step.started_at) : null;
}
