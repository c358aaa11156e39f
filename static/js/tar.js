// A tar of files that a person chose, as one Blob: the browser reads them from the disk while it sends (POSIX pax(1)).
const BLOCK = 512;
const OCTAL_SIZE = 0o77777777777;
const encoder = new TextEncoder();

/** `files`: what an <input type="file"> holds; `nameOf` says where in the tar one goes. Owners are root's, as whoever copies a file has no other name to give. */
export function tarOf(files, nameOf = (file) => file.name) {
  const parts = [];
  for (const file of files) {
    const path = nameOf(file);
    const name = encoder.encode(path);
    const seconds = Math.max(0, Math.floor(file.lastModified / 1000));
    const records = [];
    if (name.length > 100) records.push(["path", path]);
    if (file.size > OCTAL_SIZE) records.push(["size", String(file.size)]);
    if (records.length) {
      const body = joined(records.map(([key, value]) => record(key, value)));
      parts.push(header(encoder.encode("PaxHeaders.0/file"), body.length, seconds, "x"), body, padding(body.length));
    }
    parts.push(header(name.slice(0, 100), file.size > OCTAL_SIZE ? 0 : file.size, seconds, "0"), file, padding(file.size));
  }
  return new Blob([...parts, new Uint8Array(2 * BLOCK)], { type: "application/x-tar" });
}

function header(name, size, seconds, kind) {
  const block = new Uint8Array(BLOCK);
  const put = (at, text) => block.set(encoder.encode(text), at);
  block.set(name, 0);
  put(100, "0000644\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${size.toString(8).padStart(11, "0")}\0`);
  put(136, `${seconds.toString(8).padStart(11, "0")}\0`);
  put(148, "        ");
  put(156, kind);
  put(257, "ustar\x0000");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits. */
function record(key, value) {
  const rest = encoder.encode(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length += 1;
  return joined([encoder.encode(String(length)), rest]);
}

function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((total, piece) => total + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function padding(size) {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
