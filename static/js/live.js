// The page's ear: one socket to /ws/events/, from the change that the page was made after.
//
//   hello   the connection stands            change  an object is as told now, or gone
//   reset   what followed our last id is gone: listeners of "reset" fetch the page's data again
//
// After a break it comes back by itself, later each time, and asks for what followed the last id it saw, so
// nothing is missed and nothing is shown twice.
import { backoff, socketUrl } from "./socket.js";

const target = new EventTarget();
const jobs = new Map();
const waiting = new Map();
const JOBS_KEPT = 300;
const FINISHED = new Set(["succeeded", "failed", "cancelled"]);

let lastId = null;
let tries = 0;
let socket = null;
let timer = 0;
let broken = false;

/** Call `listener(change)` for changes of a kind: {kind, action, object_id, object}. */
export function onChange(kind, listener) {
  target.addEventListener(kind, (event) => listener(event.detail));
}

/** Call `listener()` when the page's data must be fetched again. */
export function onReset(listener) {
  target.addEventListener("reset", () => listener());
}

/** A promise of the job's end; answers the job as REST shows it. */
export function jobEnd(id, fetchJob) {
  const known = jobs.get(id);
  if (known && FINISHED.has(known.status)) return Promise.resolve(known);
  return new Promise((resolve) => {
    waiting.set(id, { resolve, fetchJob });
    // It may have ended before its first change was seen here, in a gap that only the site knows of.
    if (socket?.readyState !== WebSocket.OPEN) askFor(id);
  });
}

/** What `fetchJob` answers, unless a newer word came over the socket while it was on its way. */
export async function currentJob(id, fetchJob) {
  const before = jobs.get(id);
  const fetched = await fetchJob();
  const now = jobs.get(id);
  return now && now !== before ? now : fetched;
}

export function startLive(changeId) {
  lastId = changeId;
  connect();
  addEventListener("online", () => retryNow());
  document.addEventListener("visibilitychange", () => document.hidden || retryNow());
}

export function lastChange() {
  return lastId;
}

function retryNow() {
  if (socket && socket.readyState <= WebSocket.OPEN) return;
  clearTimeout(timer);
  connect();
}

function connect() {
  socket = new WebSocket(socketUrl("/ws/events/", { since: lastId }));
  socket.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  socket.addEventListener("close", (event) => {
    broken = true;
    // 4401, 4403: signed out or not allowed. Trying again would only knock at a closed door.
    if (event.code === 4401 || event.code === 4403) return tell("out");
    tell("lost");
    timer = setTimeout(again, backoff(tries++));
  });
}

async function again() {
  // A refused handshake tells a browser nothing: after some, see whether this is still our session.
  if (tries > 2) {
    const answer = await fetch(location.href, { method: "HEAD", credentials: "same-origin", redirect: "manual" }).catch(() => null);
    if (answer?.type === "opaqueredirect") return tell("out");
  }
  connect();
}

function receive(message) {
  if (message.type === "hello") {
    tries = 0;
    tell("live");
    if (message.last && (lastId === null || lastId === "0-0")) lastId = message.last;
    if (broken) for (const id of waiting.keys()) askFor(id);
    broken = false;
  } else if (message.type === "change") {
    lastId = message.id;
    apply(message);
  } else if (message.type === "reset") {
    if (message.last) lastId = message.last;
    for (const id of waiting.keys()) askFor(id);
    target.dispatchEvent(new Event("reset"));
  }
}

function apply(change) {
  if (change.kind === "job" && change.object) note(change.object);
  target.dispatchEvent(new CustomEvent(change.kind, { detail: change }));
}

function note(job) {
  jobs.delete(job.id);
  jobs.set(job.id, job);
  if (jobs.size > JOBS_KEPT) jobs.delete(jobs.keys().next().value);
  if (FINISHED.has(job.status)) settle(job);
}

function settle(job) {
  waiting.get(job.id)?.resolve(job);
  waiting.delete(job.id);
}

async function askFor(id) {
  try {
    const job = await waiting.get(id)?.fetchJob?.();
    if (job && FINISHED.has(job.status)) settle(job);
  } catch {
    // The next hello asks again.
  }
}

function tell(state) {
  target.dispatchEvent(new CustomEvent("connection", { detail: state }));
}

/** Call `listener("live" | "lost" | "out")` when the connection changes. */
export function onConnection(listener) {
  target.addEventListener("connection", (event) => listener(event.detail));
}
