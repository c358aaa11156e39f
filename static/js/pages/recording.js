// One recorded terminal session, played.
import { attempt } from "../api.js";
import { confirmAction } from "../dialog.js";
import { $, setIcon, setText } from "../dom.js";
import { Player, parseCast } from "../terminal/player.js";

const root = $("#recording");
const bar = $("[data-player-bar]", root);
const slider = $("[data-player-seek]", root);
const button = $("[data-player-play]", root);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

async function start() {
  try {
    const answer = await fetch(`/api/v1/recordings/${root.dataset.id}/cast/`, { credentials: "same-origin" });
    if (!answer.ok) throw new Error("The recording can't be read any more.");
    const cast = parseCast(await answer.text());
    const player = new Player($("[data-player-screen]", root), cast, {
      onTime: (seconds) => {
        slider.value = seconds;
        slider.setAttribute("aria-valuetext", `${clock(seconds)} of ${clock(player.seconds)}`);
        setText($("[data-player-time]", root), `${clock(seconds)} / ${clock(player.seconds)}`);
      },
      onState: (isPlaying) => {
        setIcon(button, isPlaying ? "pause" : "start");
        button.setAttribute("aria-label", isPlaying ? "Pause" : "Play");
      },
    });
    slider.max = Math.ceil(player.seconds * 100) / 100;
    bar.hidden = false;
    button.addEventListener("click", () => (player.isPlaying ? player.pause() : player.play()));
    slider.addEventListener("input", () => player.seek(slider.valueAsNumber));
    $("[data-player-speed]", root).addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
    root.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target.closest("button, input, select, a")) return;
      event.preventDefault();
      button.click();
    });
    player.seek(0);
    player.play();
  } catch (problem) {
    const told = $("[data-player-problem]", root);
    told.hidden = false;
    setText(told, problem.message);
  }
}

$("[data-recording-delete]", root)?.addEventListener("click", async () => {
  const yes = await confirmAction({ title: "Delete this recording?", text: "It can't be brought back.", yes: "Delete" });
  if (yes && (await attempt("DELETE", `recordings/${root.dataset.id}/`)) === null) location.assign("/recordings/");
});

start();
