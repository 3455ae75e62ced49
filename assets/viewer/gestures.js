/**
 * Mouse, touch and keys move the camera.
 *
 * The page can always be scrolled past the picture: a finger that starts upwards or downwards scrolls the page (CSS
 * `touch-action: pan-y`), one that starts sideways turns the cloud; the wheel zooms only once the picture was clicked, or
 * with Ctrl held.
 */

const TURN = 0.008; // radians a pixel
const KEY_TURN = Math.PI / 24;
const KEY_PAN = 30; // pixels
const WHEEL = 0.0015; // of a doubling, roughly, for a wheel's pixel
const CLICK_PX = 4; // a pointer that moved less was a click
const STILL_MS = 180; // after the last movement the picture is drawn in full

/**
 * @param {HTMLElement} stage what is touched.
 * @param {Camera} camera
 * @param {{moved: () => void, rested: () => void, clicked: (u: number, v: number) => void}} tell
 * @param {AbortSignal} signal ends it all.
 */
export function followGestures(stage, camera, tell, signal) {
  const pointers = new Map(); // those that are down: where each was last
  let travelled = 0;
  let held = camera.pose(); // as it was when the first pointer came down
  let resting = 0;
  const moving = () => {
    tell.moved();
    clearTimeout(resting);
    resting = setTimeout(tell.rested, STILL_MS);
  };
  const on = (name, listen, options = {}) => stage.addEventListener(name, listen, { signal, ...options });
  signal.addEventListener("abort", () => clearTimeout(resting));

  on("pointerdown", event => {
    if (!pointers.size) {
      travelled = 0;
      held = camera.pose();
    }
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
  });

  on("pointermove", event => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    travelled += Math.abs(dx) + Math.abs(dy);
    const { clientWidth: width, clientHeight: height } = stage;
    if (pointers.size === 2) {
      const other = [...pointers.entries()].find(([id]) => id !== event.pointerId)[1];
      const before = Math.hypot(last.x - other.x, last.y - other.y);
      const now = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      if (now && before) camera.zoom(before / now);
      camera.pan(dx / 2, dy / 2, width, height); // each finger moves half of the middle between them
    } else if (event.buttons & 6 || event.shiftKey) {
      camera.pan(dx, dy, width, height);
    } else {
      camera.turn(-dx * TURN, dy * TURN);
    }
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (travelled > CLICK_PX) moving();
  });

  on("pointerup", event => {
    const was = pointers.delete(event.pointerId);
    if (!was || pointers.size || travelled > CLICK_PX || event.button) return;
    const box = stage.getBoundingClientRect();
    tell.clicked(event.clientX - box.left, event.clientY - box.top);
  });
  on("pointercancel", event => {
    if (!pointers.delete(event.pointerId)) return;
    Object.assign(camera, held); // the finger is scrolling the page after all
    moving();
  });
  on("contextmenu", event => event.preventDefault()); // the right button moves the cloud

  on("wheel", event => {
    if (!event.ctrlKey && document.activeElement !== stage) return;
    event.preventDefault();
    camera.zoom(Math.exp(event.deltaY * (event.deltaMode ? 20 : 1) * WHEEL));
    moving();
  }, { passive: false });

  const arrow = (right, down) => event => {
    if (event.shiftKey) camera.pan(right * KEY_PAN, down * KEY_PAN, stage.clientWidth, stage.clientHeight);
    else camera.turn(-right * KEY_TURN, down * KEY_TURN);
  };
  const keys = {
    ArrowLeft: arrow(-1, 0),
    ArrowRight: arrow(1, 0),
    ArrowUp: arrow(0, -1),
    ArrowDown: arrow(0, 1),
    "+": () => camera.zoom(0.85),
    "=": () => camera.zoom(0.85),
    "-": () => camera.zoom(1 / 0.85),
    0: () => camera.look("start"),
    Enter: () => tell.clicked(stage.clientWidth / 2, stage.clientHeight / 2),
  };
  on("keydown", event => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event);
    moving();
  });
}
