// A canvas to draw on in two colours, over a picture or on blank paper: brush, eraser, rectangle, lasso, and clicks.
//
// The body of a Gradio HTML component's `js_on_load`: `element`, `props`, `trigger` and `watch` come from there. The
// component's value is JSON {picture, width, height, drawing}: the address of the picture underneath ("" for paper), the
// size, and what was drawn as the data URL of a PNG, white on black. It is written after every stroke, so a page that
// hides and draws the component anew finds the drawing where it was. The server may send "add", which is drawn over
// whatever was drawn meanwhile; "key" names it, so that what is sent twice is added once.

const root = element.querySelector(".canvas");
const stage = root.querySelector(".canvas-stage");
const back = root.querySelector(".canvas-back");
const ink = root.querySelector(".canvas-ink");
const ring = root.querySelector(".canvas-ring");
const pen = ink.getContext("2d", { willReadFrequently: true });
const part = name => root.querySelector(`.canvas-${name}`);
const MOST_UNDONE = 30;

const COLOUR = root.dataset.colour;
const under = document.createElement("canvas"); // the drawing before the stroke that is under way
const state = { value: "", shown: null, tool: "brush", points: [], past: [], future: [], at: null, loading: 0 };

// ---- The value ----

/** Return the drawing as a PNG's data URL, white on black; "" when nothing is drawn. */
function exported() {
  const drawn = pen.getImageData(0, 0, ink.width, ink.height);
  let any = false;
  for (let place = 0; place < drawn.data.length; place += 4) {
    const level = drawn.data[place + 3] >= 128 ? 255 : 0; // edges of strokes are smooth: half is in
    if (level) any = true;
    drawn.data[place] = drawn.data[place + 1] = drawn.data[place + 2] = level;
    drawn.data[place + 3] = 255;
  }
  if (!any) return "";
  const sheet = document.createElement("canvas");
  sheet.width = ink.width;
  sheet.height = ink.height;
  sheet.getContext("2d").putImageData(drawn, 0, 0);
  return sheet.toDataURL("image/png");
}

/** Write the drawing into the component's value. */
function commit() {
  const { picture, width, height } = state.shown;
  state.value = JSON.stringify({ picture, width, height, drawing: exported() });
  props.value = state.value;
  enable();
}

/** Remember the drawing as it is, before it changes. */
function remember() {
  state.past.push(exported());
  if (state.past.length > MOST_UNDONE) state.past.shift();
  state.future = [];
}

function fetched(address) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error("the picture could not be fetched"));
    image.src = address;
  });
}

/** Draw a data URL's white in the ink's colour, over what is there. */
async function add(drawing) {
  if (!drawing) return;
  const image = await fetched(drawing);
  const sheet = document.createElement("canvas");
  sheet.width = ink.width;
  sheet.height = ink.height;
  const draft = sheet.getContext("2d");
  draft.imageSmoothingEnabled = false;
  draft.drawImage(image, 0, 0, ink.width, ink.height);
  const levels = draft.getImageData(0, 0, ink.width, ink.height);
  for (let place = 0; place < levels.data.length; place += 4) levels.data[place + 3] = levels.data[place];
  draft.putImageData(levels, 0, 0);
  draft.globalCompositeOperation = "source-in";
  draft.fillStyle = COLOUR;
  draft.fillRect(0, 0, ink.width, ink.height);
  pen.drawImage(sheet, 0, 0);
}

/** Take over a value that came from elsewhere: the server, or the time before this element was drawn anew. */
async function load(text) {
  const number = ++state.loading;
  const wanted = text ? JSON.parse(text) : null;
  if (!wanted || !wanted.width) {
    Object.assign(state, { value: text, shown: null, past: [], future: [] });
    root.dataset.state = "empty";
    return enable();
  }
  const same = state.shown && state.shown.picture === wanted.picture && state.shown.width === wanted.width;
  try {
    if (!same) {
      const address = wanted.picture && new URL(wanted.picture, base()).href;
      if (address) await fetched(address);
      if (number !== state.loading) return;
      back.hidden = !address;
      if (address) back.src = address;
      ink.width = under.width = wanted.width;
      ink.height = under.height = wanted.height;
      stage.style.aspectRatio = `${wanted.width} / ${wanted.height}`;
      stage.style.setProperty("--shape", wanted.width / wanted.height);
      const enlarged = Math.max(wanted.width, wanted.height) <= 256;
      back.classList.toggle("canvas-pixels", enlarged);
      ink.classList.toggle("canvas-pixels", enlarged);
      Object.assign(state, { past: [], future: [] });
    }
    state.shown = wanted;
    if (same && wanted.add) {
      if (!wanted.key || wanted.key !== state.key) {
        remember();
        await add(wanted.add);
      }
      state.key = wanted.key;
      commit();
    } else {
      if (same) remember();
      pen.clearRect(0, 0, ink.width, ink.height);
      await add(wanted.drawing);
      state.value = text;
    }
    root.dataset.state = "ready";
    say(wanted.said || "");
  } catch (error) {
    say(`The canvas could not be filled: ${error.message}.`);
  }
  enable();
}

function base() {
  const address = (window.gradio_config && window.gradio_config.root) || location.href.split(/[?#]/)[0];
  return address.replace(/[/]*$/, "/");
}

// ---- Strokes ----

/** Return where a pointer is, in pixels of the drawing. */
function place(event) {
  const frame = ink.getBoundingClientRect();
  return [
    ((event.clientX - frame.left) / frame.width) * ink.width,
    ((event.clientY - frame.top) / frame.height) * ink.height,
  ];
}

/** The width of the brush in pixels of the drawing; the slider is a share of its longer side. */
function width() {
  return Math.max(1, (Number(part("size").value) / 100) * Math.max(ink.width, ink.height));
}

function begin(event) {
  if (!state.shown || state.points.length || event.button > 0 || event.isPrimary === false) return;
  event.preventDefault();
  ink.focus({ preventScroll: true });
  if (state.tool === "click") return click(place(event));
  ink.setPointerCapture(event.pointerId);
  remember();
  const copy = under.getContext("2d");
  copy.clearRect(0, 0, under.width, under.height);
  copy.drawImage(ink, 0, 0);
  state.points = [place(event)];
  stroke();
}

function move(event) {
  follow(event);
  if (!state.points.length || event.isPrimary === false) return;
  const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const each of events.length ? events : [event]) state.points.push(place(each));
  stroke();
}

function end(event) {
  if (!state.points.length || (event && event.isPrimary === false)) return;
  stroke(true);
  state.points = [];
  commit();
}

/** Draw the stroke so far over the drawing from before it. */
function stroke(finished = false) {
  const [first] = state.points, last = state.points[state.points.length - 1];
  pen.globalCompositeOperation = "copy";
  pen.drawImage(under, 0, 0);
  pen.globalCompositeOperation = state.tool === "eraser" ? "destination-out" : "source-over";
  pen.fillStyle = pen.strokeStyle = COLOUR;
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = width();
  if (state.tool === "rectangle") {
    pen.fillRect(first[0], first[1], last[0] - first[0], last[1] - first[1]);
  } else {
    if (state.tool === "lasso") pen.lineWidth = Math.max(1, ink.width / 300);
    pen.beginPath();
    pen.moveTo(...first);
    for (const point of state.points.length > 1 ? state.points.slice(1) : [first]) pen.lineTo(...point);
    if (state.tool === "lasso" && finished) pen.fill();
    else pen.stroke();
  }
  pen.globalCompositeOperation = "source-over";
}

function click([x, y]) {
  const shares = { x: x / ink.width, y: y / ink.height };
  if (shares.x < 0 || shares.x >= 1 || shares.y < 0 || shares.y >= 1) return;
  say(root.dataset.clicked);
  trigger("select", shares);
}

// ---- Buttons and keys ----

const does = {
  undo() {
    step(state.past, state.future);
  },
  redo() {
    step(state.future, state.past);
  },
  clear() {
    remember();
    pen.clearRect(0, 0, ink.width, ink.height);
    commit();
  },
  invert() {
    remember();
    pen.globalCompositeOperation = "xor";
    pen.fillStyle = COLOUR;
    pen.fillRect(0, 0, ink.width, ink.height);
    pen.globalCompositeOperation = "source-over";
    commit();
  },
};

async function step(from, to) {
  if (!from.length) return;
  to.push(exported());
  pen.clearRect(0, 0, ink.width, ink.height);
  await add(from.pop());
  commit();
}

function choose(tool) {
  state.tool = tool;
  root.dataset.tool = tool;
  for (const button of root.querySelectorAll("[data-choose]")) {
    button.setAttribute("aria-pressed", String(button.dataset.choose === tool));
  }
}

function enable() {
  for (const button of root.querySelectorAll("[data-do]")) {
    const list = { undo: state.past, redo: state.future }[button.dataset.do];
    button.disabled = !state.shown || (list !== undefined && !list.length);
  }
}

function say(text) {
  part("said").textContent = text;
}

/** Show the brush where the pointer is. */
function follow(event) {
  const frame = ink.getBoundingClientRect();
  const size = (width() / ink.width) * frame.width;
  ring.style.width = ring.style.height = `${size}px`;
  ring.style.left = `${event.clientX - frame.left}px`;
  ring.style.top = `${event.clientY - frame.top}px`;
}

/** Draw with the keys: arrows move, Enter and the space bar set a dot or click, Escape leaves a stroke undone. */
function key(event) {
  const ahead = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    return event.shiftKey ? does.redo() : does.undo();
  }
  if (!state.shown || !(ahead || event.key === "Enter" || event.key === " ")) return;
  event.preventDefault();
  state.at = state.at || [ink.width / 2, ink.height / 2];
  if (ahead) {
    const far = Math.max(ink.width, ink.height) / (event.shiftKey ? 100 : 30);
    state.at = [
      Math.min(Math.max(state.at[0] + ahead[0] * far, 0), ink.width - 1),
      Math.min(Math.max(state.at[1] + ahead[1] * far, 0), ink.height - 1),
    ];
  } else if (state.tool === "click") {
    click(state.at);
  } else {
    remember();
    under.getContext("2d").clearRect(0, 0, under.width, under.height);
    under.getContext("2d").drawImage(ink, 0, 0);
    const [x, y] = state.at, half = width() / 2;
    const brush = state.tool === "brush" || state.tool === "eraser";
    state.points = brush ? [state.at] : [[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]];
    if (state.tool === "rectangle") state.points = [state.points[0], state.points[2]];
    end();
  }
  const frame = ink.getBoundingClientRect();
  const scale = frame.width / ink.width;
  follow({ clientX: frame.left + state.at[0] * scale, clientY: frame.top + state.at[1] * scale });
}

ink.addEventListener("pointerdown", begin);
ink.addEventListener("pointermove", move);
ink.addEventListener("pointerup", end);
ink.addEventListener("pointercancel", end);
ink.addEventListener("keydown", key);
root.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button && button.dataset.choose) choose(button.dataset.choose);
  if (button && button.dataset.do && state.shown) does[button.dataset.do]();
});
// A stroke that ends outside of the browser's window, or on a tab that is hidden meanwhile, ends there.
ink.addEventListener("lostpointercapture", end);
watch("value", () => {
  if (props.value !== state.value) load(props.value);
});
choose(root.dataset.tool);
enable();
load(props.value);
