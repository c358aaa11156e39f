// Ports and labels as lines of text, as docker's -p and -l take them, and what differs between two such texts.

/** A port of REST's → "8080:80", "0.0.0.0:53:53/udp", "8000-8010:80"; "80" for a free port of 127.0.0.1. */
export function portLine({ container, container_last, host, host_last, protocol = "tcp", address = "127.0.0.1" }) {
  const at = address.includes(":") ? `[${address}]` : address;
  const there = host ? rangeText(host, host_last) : "";
  const outside = address === "127.0.0.1" ? (host ? `${there}:` : "") : `${at}:${there}:`;
  return `${outside}${rangeText(container, container_last)}${protocol === "tcp" ? "" : `/${protocol}`}`;
}

export function rangeText(first, last) {
  return last ? `${first}-${last}` : String(first);
}

/** "80" → [80], "80-90" → [80, 90], "" → []; null for what is no port and no range of them. */
export function readRange(text) {
  const found = /^(?:([0-9]+)(?:-([0-9]+))?)?$/.exec(text.trim());
  const numbers = found && found.slice(1).filter((one) => one !== undefined).map(Number);
  return numbers?.every((number) => number > 0 && number < 65536) && !(numbers[0] > numbers[1]) ? numbers : null;
}

/** The reverse; null for what is no port. */
export function readPort(line) {
  const found = /^(?:(?:([0-9.]+|\[[0-9a-fA-F:.]+\]):)?([0-9-]*):)?([0-9-]+)(?:\/(tcp|udp|sctp))?$/.exec(line.trim());
  if (!found) return null;
  const [, address = "127.0.0.1", host, container, protocol = "tcp"] = found;
  const [there, here] = [readRange(host ?? ""), readRange(container)];
  if (!there || !here) return null;
  return { ...portOf(here, there), protocol, address: address.replace(/[[\]]/g, "") };
}

/** What two ranges of `readRange` are to REST. */
export function portOf([container, container_last], [host, host_last]) {
  return { container, ...(container_last && { container_last }), ...(host && { host }), ...(host_last && { host_last }) };
}

/** From `before` to `after` (texts) as REST takes it: {changes, problem}. What stays is not touched, nor are its ports. */
export function portChanges(before, after) {
  const [old, now] = [lines(before), lines(after)];
  const wrong = now.find((line) => !readPort(line));
  if (wrong !== undefined) return { changes: {}, problem: `${wrong}: write 80, 8080:80, 0.0.0.0:8080:80 or 53:53/udp.` };
  const gone = old.filter((line) => !now.includes(line)).map(readPort);
  const isOfGone = (line) => gone.some((port) => inside(port) === inside(readPort(line)));
  // Those are removed by what they are inside: what shares that and stays comes again.
  const added = now.filter((line) => !old.includes(line) || isOfGone(line));
  const removed = gone.map(({ container, protocol, address }) => ({ container, protocol, address }));
  return { changes: { ...(removed.length && { remove_ports: removed }), ...(added.length && { add_ports: added.map(readPort) }) } };
}

/** Labels as NAME=VALUE lines. Values of several lines are left out, and with that left alone. */
export function labelLines(labels) {
  return Object.entries(labels ?? {}).filter(([, value]) => !value.includes("\n")).map((pair) => pair.join("=")).join("\n");
}

export function labelChanges(before, after) {
  const wrong = lines(after).find((line) => line.indexOf("=") < 1);
  if (wrong !== undefined) return { changes: {}, problem: `${wrong}: write NAME=VALUE.` };
  const [old, now] = [before, after].map((text) => new Map(lines(text).map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])));
  const removed = [...old.keys()].filter((name) => !now.has(name));
  const added = Object.fromEntries([...now].filter(([name, value]) => old.get(name) !== value));
  return { changes: { ...(removed.length && { remove_labels: removed }), ...(Object.keys(added).length && { add_labels: added }) } };
}

function lines(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

function inside({ container, protocol, address }) {
  return `${address} ${container} ${protocol}`;
}
