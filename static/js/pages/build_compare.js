// Which files differ between the images of two builds: the host is asked once the page stands.
import { Problem, api } from "../api.js";
import { $, el, setText } from "../dom.js";
import { size } from "../format.js";

const root = $("#differences");
const WORDS = { type: "another kind", content: "content", target: "where it leads", device: "device", mode: "mode", owner: "owner", attributes: "attributes" };
const PILLS = { added: "pill pill-good", removed: "pill pill-bad", changed: "pill" };

function bytes(row, side) {
  const value = row[`${side}_bytes`];
  return value === null ? "–" : row.type === "file" || value ? size(value) : "";
}

function line(row) {
  const whole = row.type === "directory" && row.change !== "changed";
  const more = whole ? `${row.files} ${row.files === 1 ? "file" : "files"}` : row.change === "changed" ? row.what.map((what) => WORDS[what]).join(", ") : row.type === "file" ? "" : row.type;
  return el("tr", {},
    el("th", { scope: "row", class: "code compared-name" }, row.path + (row.type === "directory" ? "/" : "")),
    el("td", {}, el("span", { class: PILLS[row.change] }, row.change), more ? el("span", { class: "small soft" }, ` ${more}`) : ""),
    el("td", { class: "numeric" }, bytes(row, "before")), el("td", { class: "numeric" }, bytes(row, "after")));
}

function show({ added, changed, removed, differences, more, is_cut: isCut }) {
  const note = $("[data-differences-note]", root);
  setText($("[data-differences-sum]", root), `${added} added, ${changed} changed, ${removed} removed`);
  const said = [
    differences.length ? "" : "No file differs.",
    more ? `The ${differences.length} that change sizes most are shown.` : "",
    isCut ? "There was too much to look at all of it." : "",
  ].filter(Boolean);
  setText(note, said.join(" "));
  note.hidden = !said.length;
  $("tbody", root).replaceChildren(...differences.map(line));
  $("[data-differences]", root).hidden = !differences.length;
}

try {
  show(await api("GET", `builds/${root.dataset.after}/compare/${root.dataset.before}/files/?limit=500`));
} catch (problem) {
  if (!(problem instanceof Problem)) throw problem;
  setText($("[data-differences-note]", root), `The files can’t be compared: ${problem.message}.`.replace(/\.\.$/, "."));
}
