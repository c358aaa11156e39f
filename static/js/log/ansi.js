// Terminal text to plain pieces with classes. Colours and emphasis are kept; every other escape sequence
// (titles, links, cursor movement) is swallowed, and control characters become visible pictures, so that a
// log line can neither write outside of its row nor pretend to be something else.

// CSI … final byte · OSC, DCS, APC, PM, SOS … to their terminator · two-byte escapes
const ESCAPES = /\x1b\[([0-9;:]*)([\x20-\x2f]*[\x40-\x7e])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b\[[^\x40-\x7e]*|\x1b[\x20-\x2f]*[\x30-\x7e]?/g;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const PLAIN = { classes: [], colour: null, ground: null };

/** What a terminal would leave of a line that returned to its start: what was printed after the last return. */
function afterReturn(text) {
  const trimmed = text.endsWith("\r") ? text.slice(0, -1) : text;
  const at = trimmed.lastIndexOf("\r");
  return at === -1 ? trimmed : trimmed.slice(at + 1);
}

function visible(text) {
  return text.replace(CONTROLS, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/** The line as it is searched and measured: no escapes, no control characters. */
export function plain(raw) {
  const text = afterReturn(raw);
  return visible(text.includes("\x1b") ? text.replace(ESCAPES, "") : text);
}

/** The line as pieces: [{text, classes, colour, ground}]; colours beyond the sixteen are CSS values. */
export function pieces(raw) {
  const text = afterReturn(raw);
  if (!text.includes("\x1b")) return [{ ...PLAIN, text: visible(text) }];
  const result = [];
  const state = { bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false, fg: null, bg: null };
  let at = 0;
  for (const match of text.matchAll(ESCAPES)) {
    if (match.index > at) result.push(piece(text.slice(at, match.index), state));
    at = match.index + match[0].length;
    if (match[2] === "m") graphics(match[1], state);
  }
  if (at < text.length) result.push(piece(text.slice(at), state));
  return result;
}

function piece(text, state) {
  const classes = ["bold", "dim", "italic", "underline", "strike"].filter((name) => state[name]).map((name) => `ansi-${name}`);
  const [fg, bg] = state.inverse ? [state.bg ?? "var(--canvas)", state.fg ?? "var(--ink)"] : [state.fg, state.bg];
  if (typeof fg === "number") classes.push(`ansi-${fg}`);
  return { text: visible(text), classes, colour: typeof fg === "string" ? fg : null, ground: typeof bg === "number" ? BASIC[bg] : bg };
}

const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };

function graphics(parameters, state) {
  const codes = parameters.split(/[;:]/).map((code) => Number(code || 0));
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index];
    if (code === 0) Object.assign(state, { bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false, fg: null, bg: null });
    else if (ON[code]) state[ON[code]] = true;
    else if (OFF[code]) for (const name of OFF[code]) state[name] = false;
    else if (code >= 30 && code <= 37) state.fg = code - 30;
    else if (code >= 90 && code <= 97) state.fg = code - 82;
    else if (code === 39) state.fg = null;
    else if (code >= 40 && code <= 47) state.bg = code - 40;
    else if (code >= 100 && code <= 107) state.bg = code - 92;
    else if (code === 49) state.bg = null;
    else if (code === 38 || code === 48) {
      const [value, used] = extended(codes, index + 1);
      state[code === 38 ? "fg" : "bg"] = value;
      index += used;
    }
  }
}

function extended(codes, at) {
  const byte = (value) => Math.min(255, Math.max(0, value || 0));
  if (codes[at] === 5) return [indexed(byte(codes[at + 1])), 2];
  if (codes[at] === 2) return [`rgb(${byte(codes[at + 1])} ${byte(codes[at + 2])} ${byte(codes[at + 3])})`, 4];
  return [null, 1];
}

function indexed(number) {
  if (number < 16) return number;
  if (number > 231) return `rgb(${Array(3).fill(8 + 10 * (number - 232)).join(" ")})`;
  const level = (value) => (value ? 55 + 40 * value : 0);
  const cube = number - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}

// Grounds of the sixteen: soft, so that text of any colour on them can be read in both themes.
const BASIC = Array.from({ length: 16 }, (_, index) => {
  const hue = [0, 0, 130, 45, 215, 290, 185, 0][index % 8];
  const strength = index % 8 === 0 || index % 8 === 7 ? 0 : 60;
  return `hsl(${hue} ${strength}% 50% / 0.28)`;
});
