"""The script of a drawn result: playing moves a cursor over all lanes, and clicking a lane moves the player.

A result is told what it needs by its own markup (`timeline.stage_html`), so the script knows nothing of the server.
"""

from __future__ import annotations

SCRIPT = """
function wire(result) {
  const stage = result.querySelector(".keywords-stage");
  if (!stage || stage.dataset.wired) return;
  stage.dataset.wired = "yes";
  const time = stage.querySelector(".keywords-time"), cursor = time.querySelector("i");
  const readout = result.querySelector(".keywords-readout"), audio = result.querySelector("audio");
  const told = JSON.parse(stage.dataset.told), seconds = Number(stage.dataset.seconds);
  const step = told.middles.length > 1 ? told.middles[1] - told.middles[0] : 0.05;
  const hint = readout.textContent;
  let at = 0;
  function tell() {
    let near = 0;
    told.middles.forEach((middle, k) => {
      if (Math.abs(middle - at) < Math.abs(told.middles[near] - at)) near = k;
    });
    const said = told.best[near].map((label, k) => `${told.labels[label]} ${told.scores[near][k]} %`).join(", ");
    return `${at.toFixed(2)} s: ${said}`;
  }
  function show(moment) {
    at = Math.min(Math.max(moment, 0), seconds);
    time.dataset.at = at;
    cursor.style.left = `${100 * at / seconds}%`;
    readout.textContent = tell();
    time.setAttribute("aria-valuenow", at.toFixed(2));
    time.setAttribute("aria-valuetext", readout.textContent);
  }
  function go(moment) {
    show(moment);
    if (audio && Number.isFinite(audio.duration)) audio.currentTime = at;
  }
  const place = event => {
    const box = time.getBoundingClientRect();
    return (event.clientX - box.left) / box.width * seconds;
  };
  time.addEventListener("pointerdown", event => {
    go(place(event));
    const drag = moved => go(place(moved));
    time.setPointerCapture(event.pointerId);
    time.addEventListener("pointermove", drag);
    time.addEventListener("pointerup", () => time.removeEventListener("pointermove", drag), {once: true});
    time.addEventListener("pointercancel", () => time.removeEventListener("pointermove", drag), {once: true});
  });
  time.addEventListener("keydown", event => {
    const moves = {ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: seconds};
    if (event.key in moves) go(moves[event.key]);
    else if (event.key === " " && audio) audio.paused ? audio.play() : audio.pause();
    else return;
    event.preventDefault();
  });
  if (!audio) return;
  function follow() {
    show(audio.currentTime);
    if (!audio.paused && audio.isConnected) requestAnimationFrame(follow);
  }
  audio.addEventListener("play", follow);
  audio.addEventListener("ended", () => show(seconds));
  audio.addEventListener("error", () => {
    audio.hidden = true;
    readout.textContent = "This browser cannot play the file; the model heard it all the same. " + hint;
  });
}
const wireAll = () => element.querySelectorAll(".keywords").forEach(wire);
watch("value", wireAll);
wireAll();
"""


def player_html(source: str | None) -> str:
    """Draw the player of the sound as it was sent; `source` is its address, relative to the page's."""
    if source is None:
        return ""
    return f'<audio controls preload="metadata" src="{source}" aria-label="The sound that was sent"></audio>'
