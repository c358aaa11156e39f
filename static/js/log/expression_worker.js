// Somebody's regular expression, run over lines of a log: in a thread of its own, which whoever waits for it can end.
// A classic script without imports; expression.js talks to it.

const MOST_MARKS = 500;

onmessage = ({ data: { source, flags, texts, marks } }) => {
  const pattern = new RegExp(source, flags);
  postMessage(texts.map((text) => (marks ? marksOf(pattern, text) : text.search(pattern) !== -1)));
};

function marksOf(pattern, text) {
  const found = [];
  for (const hit of text.matchAll(pattern)) {
    if (hit[0]) found.push([hit.index, hit.index + hit[0].length]);
    if (found.length === MOST_MARKS) break;
  }
  return found;
}

postMessage("ready");
