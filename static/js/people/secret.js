// What is shown this once: a link, a token.
import { $, setText } from "../dom.js";

export function showSecret(words, text) {
  const place = $("[data-secret]");
  setText($("[data-secret-words]", place), words);
  setText($("[data-secret-text]", place), text);
  place.hidden = false;
  place.scrollIntoView({ block: "nearest" });
  $("[data-copy]", place).focus();
}
