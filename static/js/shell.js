// Words as a POSIX shell would cut them, and back. Nothing is expanded: $HOME stays $HOME.

/** Cut a line into words. Throws an Error whose message says what is open. */
export function splitWords(line) {
  const words = [];
  let word = null;
  let quote = null;
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index];
    if (quote === "'") {
      if (character === "'") quote = null;
      else word += character;
    } else if (character === "\\") {
      index += 1;
      if (index >= line.length) throw new Error("The line ends with a backslash: what should it quote?");
      // Within double quotes a backslash quotes only what is special there.
      word = (word ?? "") + (quote === '"' && !'"\\$`'.includes(line[index]) ? `\\${line[index]}` : line[index]);
    } else if (quote === '"') {
      if (character === '"') quote = null;
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word = word ?? "";
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote) throw new Error(`A ${quote === "'" ? "single" : "double"} quote is not closed.`);
  if (word !== null) words.push(word);
  return words;
}

/** One word as one would type it. */
export function quoteWord(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function joinWords(words) {
  return words.map(quoteWord).join(" ");
}
