// The level of a line, as engine/logs/levels.py recognises it; tests/engine/logs/levels.json holds both to one table.

export const LEVELS = ["none", "debug", "info", "warn", "error"];
const [NONE, DEBUG, INFO, WARN, ERROR] = LEVELS.keys();

const WORDS = new Map([
  ...["trace", "debug", "dbug", "dbg", "verbose"].map((word) => [word, DEBUG]),
  ...["info", "information", "informational", "notice", "log"].map((word) => [word, INFO]),
  ...["warn", "warning"].map((word) => [word, WARN]),
  ...["err", "error", "fail", "severe", "crit", "critical", "alert", "emerg", "emergency", "fatal", "panic", "dpanic"].map((word) => [word, ERROR]),
]);
const LETTERS = { I: INFO, W: WARN, E: ERROR, F: ERROR };
const ESCAPES = /\x1b\[[0-9;:]*[A-Za-z]/g;
const JSON_LEVEL = /"(?:level|lvl|severity|loglevel|log\.level|levelname|@l)"\s*:\s*(?:"([A-Za-z]+)"|([0-9]{1,2})(?![0-9.]))/i;
const LOGFMT = /(?:^|[\s,;{])(?:level|lvl|severity|loglevel)="?([A-Za-z]+)/i;
const KLOG = /^([IWEF])[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}/;
const SYSLOG = /^<([0-9]{1,3})>/;
const HINTS = /info|err|warn|debug|log:|notice|fail|fatal|trace|crit|panic|dbug|severe|alert|emerg|verbose/;
const TOKEN = /[A-Za-z0-9_-]+/g;
const AFTER = /(?:\[[0-9]+\])?(?:[\])|>]|:(?:\s|$)|!)/y;
const TRACEBACK = "Traceback (most recent call last)";

/** A number, an index of LEVELS. */
export function levelOf(line) {
  let head = line.slice(0, 1024);
  if (head.includes("\x1b")) head = head.replace(ESCAPES, "");
  if (head.startsWith("{")) {
    const found = JSON_LEVEL.exec(head);
    if (found) return found[1] ? (WORDS.get(found[1].toLowerCase()) ?? NONE) : ofNumber(Number(found[2]));
  }
  if (head.includes("=")) {
    const found = LOGFMT.exec(head);
    if (found && WORDS.has(found[1].toLowerCase())) return WORDS.get(found[1].toLowerCase());
  }
  const klog = KLOG.exec(head);
  if (klog) return LETTERS[klog[1]];
  const syslog = head.startsWith("<") && SYSLOG.exec(head);
  if (syslog && Number(syslog[1]) < 192) return ofSeverity(Number(syslog[1]) & 7);
  return ofWords(head.slice(0, 200));
}

function ofWords(head) {
  const lower = head.toLowerCase();
  if (!HINTS.test(lower)) return NONE;
  if (head.startsWith(TRACEBACK)) return ERROR;
  for (const match of head.matchAll(TOKEN)) {
    const word = match[0];
    const level = WORDS.get(word.toLowerCase());
    if (level === undefined) continue;
    const end = match.index + word.length;
    if (word === word.toUpperCase()) {
      if (word !== "LOG" || head[end] === ":") return level;
      continue;
    }
    AFTER.lastIndex = end;
    if (word !== "log" && (match.index === 0 || " \t[(|<".includes(head[match.index - 1])) && AFTER.test(head)) return level;
  }
  return NONE;
}

/** Up to 7 syslog's severities (GELF), from 10 on those of bunyan and pino. */
function ofNumber(number) {
  if (number <= 7) return ofSeverity(number);
  if (number < 30) return number >= 10 ? DEBUG : NONE;
  return number < 40 ? INFO : number < 50 ? WARN : ERROR;
}

function ofSeverity(number) {
  return number <= 3 ? ERROR : number === 4 ? WARN : number <= 6 ? INFO : DEBUG;
}
