// What is typed to a process without a terminal: nobody at its end echoes a line or lets it be corrected, so the page
// does, as the terminal of whoever types `docker attach` would.

const ERASED = "\b \b";
// East Asian letters and emoji take two columns: first and last of each block.
const WIDE = [
  [0x1100, 0x115f], [0x2e80, 0xa4cf], [0xac00, 0xd7a3], [0xf900, 0xfaff], [0xfe30, 0xfe6f], [0xff00, 0xff60],
  [0xffe0, 0xffe6], [0x1f300, 0x1faff], [0x20000, 0x3fffd],
];
// Keys without a letter come as escape sequences: there is nothing that they could move in.
const KEYS = /\x1b(?:\[[\x20-\x3f]*[\x40-\x7e]|O.|.)?/gsu;

export class LineInput {
  /** `write(text)` shows, `send(text)` gives the process whole lines. */
  constructor({ write, send }) {
    Object.assign(this, { write, send, letters: [] });
  }

  /** Keys, or what is pasted: Backspace, Ctrl+U and Ctrl+W take back, Ctrl+C a whole line, Ctrl+D sends without an end. */
  type(text) {
    let shown = "";
    let sent = "";
    for (const letter of text.replaceAll("\r\n", "\r").replace(KEYS, "")) {
      if (letter === "\r" || letter === "\n") {
        sent += `${this.#taken()}\n`;
        shown += "\r\n";
      } else if (letter === "\x04") sent += this.#taken();
      else if (letter === "\x03") {
        this.letters = [];
        shown += "^C\r\n";
      } else if (letter === "\x7f" || letter === "\b") shown += this.#back(1);
      else if (letter === "\x15") shown += this.#back(this.letters.length);
      else if (letter === "\x17") shown += this.#back(this.#lastWord());
      else if (letter >= " " || letter === "\t") {
        this.letters.push(letter);
        shown += letter;
      }
    }
    if (shown) this.write(shown);
    if (sent) this.send(sent);
  }

  #taken() {
    return this.letters.splice(0).join("");
  }

  /** How many letters it has, with the blanks after it. */
  #lastWord() {
    const isBlank = (count) => this.letters.at(-1 - count)?.trim() === "";
    let count = 0;
    while (isBlank(count)) count += 1;
    while (count < this.letters.length && !isBlank(count)) count += 1;
    return count;
  }

  /** Take back so many letters; what wipes them off the screen. */
  #back(count) {
    const gone = count ? this.letters.splice(-count) : [];
    return gone.map((letter) => ERASED.repeat(columnsOf(letter))).join("");
  }
}

function columnsOf(letter) {
  const code = letter.codePointAt(0);
  return WIDE.some(([first, last]) => code >= first && code <= last) ? 2 : 1;
}
