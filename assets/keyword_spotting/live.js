// The live view: sends the microphone's sound to the server chunk by chunk, and shows what comes back.
//
// One chunk is on its way at a time. What is spoken meanwhile waits and goes with the next, so nothing is lost, and a
// slow network or server makes chunks longer instead of a queue.

import { Drawing } from "./live_drawing.js";
import { Microphone, isHidden, packed, reason } from "./microphone.js";

const SHORTEST_CHUNK_S = 0.1;
const GIVEN_UP_S = 9; // without an answer; the server takes chunks of up to 10 s
const KEPT_ANSWERS = 20; // for the median of the latency
const KEPT_WORDS = 12;
const READY = "Press Start listening, allow the microphone, and say a word.";
const FRESH_MS = 2000; // how long a word stands out

/**
 * Bring the live view to life; returns the function that takes the server's answers.
 * @param {HTMLElement} root the `.live` element.
 * @param {(piece: object) => void} send tells the server.
 */
export function mount(root, send) {
  const live = new Live(root, send);
  return answer => live.receive(answer);
}

class Live {
  constructor(root, send) {
    this.root = root;
    this.send = send;
    const part = name => root.querySelector(`.live-${name}`);
    this.parts = Object.fromEntries(
      ["start", "stop", "level", "status", "word", "latency", "measured", "heard", "hint"].map(name => [name, part(name)]),
    );
    this.drawing = new Drawing(root);
    this.stream = 0; // names what is listened to between a Start and a Stop
    this.parts.start.addEventListener("click", () => this.start());
    this.parts.stop.addEventListener("click", () => this.stop("Stopped. Nothing of the sound was kept."));
    this.parts.hint.hidden = !isHidden();
    this.parts.hint.querySelector("code").textContent = location.origin;
    this.parts.hint.querySelector("button").addEventListener("click", () => {
      document.querySelector("#keyword_spotting-view-clip-button")?.click();
      document.querySelector("#keyword_spotting-audio")?.scrollIntoView({ behavior: "smooth" });
    });
    this.tell("off", isHidden() ? "The microphone cannot be used here." : READY);
  }

  async start() {
    this.tell("starting", "Asking the browser for the microphone …");
    Object.assign(this, { waiting: [], count: 0, given: 0, piece: 0, sent: null, begun: Infinity });
    Object.assign(this, { answered: [], trips: [], lateness: [], skipped: 0, windows: 0 });
    this.stream = Date.now();
    this.drawing.clear();
    this.parts.heard.replaceChildren();
    this.showWord("", "");
    this.parts.latency.replaceChildren();
    this.parts.measured.textContent = "";
    try {
      this.microphone = await Microphone.open(
        samples => this.take(samples),
        () => this.stop("The microphone was unplugged or taken away.", "failed"),
      );
    } catch (error) {
      this.tell("failed", reason(error));
      return;
    }
    this.listening = "Listening …";
    this.tell("listening", this.listening);
  }

  stop(words, state = "off") {
    this.microphone?.close();
    this.microphone = null;
    this.parts.level.firstChild.style.width = 0;
    this.send({ stream: this.stream, end: true });
    this.stream = 0; // an answer that is still on its way is about the past
    this.tell(state, words);
  }

  take(samples) {
    if (!this.microphone) return;
    if (this.root.offsetParent === null) {
      this.stop("Stopped, because another view was opened. Nothing of the sound was kept.");
      return;
    }
    this.waiting.push(samples);
    this.count += samples.length;
    this.given += samples.length;
    // When sample 0 was recorded, by this browser's clock; the earliest guess is the one that was delayed least.
    this.begun = Math.min(this.begun, performance.now() - (1000 * this.given) / this.microphone.rate);
    this.showLevel(samples);
    const seconds = this.count / this.microphone.rate;
    if (this.sent !== null) {
      if (seconds > GIVEN_UP_S) this.stop("The server does not answer. Check the network, then start again.", "failed");
    } else if (seconds >= SHORTEST_CHUNK_S) {
      this.post();
    }
  }

  post() {
    this.sent = performance.now();
    this.chunkMs = (1000 * this.count) / this.microphone.rate;
    const { stream, waiting } = this;
    this.waiting = [];
    this.count = 0;
    this.send({
      stream,
      piece: this.piece,
      begin: this.piece === 0,
      rate_hz: this.microphone.rate,
      chunk: packed(waiting),
    });
    this.piece += 1;
  }

  receive(answer) {
    if (!answer || answer.stream !== this.stream || !this.microphone) return;
    if (answer.error || answer.ended) {
      this.stop(answer.error || "Stopped by the server.", answer.error ? "failed" : "off");
      return;
    }
    const now = performance.now();
    const trip = now - this.sent;
    this.sent = null;
    const waited = this.root.dataset.state === "waiting"; // what came meanwhile was never going to be heard
    this.skipped += waited || answer.waiting ? 0 : answer.skipped;
    this.windows += answer.windows.length;
    if (answer.waiting) {
      this.tell("waiting", `${answer.waiting} … Words spoken now are not heard.`);
    } else {
      const words = answer.taught.length ? ` for your words: ${answer.taught.join(", ")}` : "";
      if (answer.model) this.listening = `Listening with ${answer.model}${words}.`;
      this.tell("listening", this.listening);
    }
    for (const window of answer.windows) keep(this.lateness, now - this.begun - 1000 * window.end_s);
    this.root.dataset.threshold = answer.threshold;
    this.drawing.add(answer);
    for (const detection of answer.detections) this.showDetection(detection, now - this.begun - 1000 * detection.end_s);
    if (answer.windows.length) {
      keep(this.answered, answer.server_ms);
      keep(this.trips, trip);
      this.showLatency(answer);
    }
  }

  tell(state, words) {
    this.root.dataset.state = state;
    if (this.parts.status.textContent !== words) this.parts.status.textContent = words;
    const idle = state === "off" || state === "failed";
    this.parts.start.disabled = !idle || isHidden();
    this.parts.stop.disabled = idle || state === "starting";
  }

  showLevel(samples) {
    const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    const decibels = 20 * Math.log10(Math.max(peak, 1e-3));
    this.parts.level.firstChild.style.width = `${100 * (1 + decibels / 60)}%`;
  }

  showWord(word, beside) {
    const [large, small] = this.parts.word.children;
    large.textContent = word;
    small.textContent = beside;
    this.parts.word.dataset.age = "fresh";
    clearTimeout(this.fading);
    this.fading = setTimeout(() => { this.parts.word.dataset.age = "old"; }, FRESH_MS);
  }

  showDetection({ word, score, end_s }, lateMs) {
    const share = `${score < 1 ? Math.min(99, Math.round(100 * score)) : 100} %`; // 99.6 % is not certainty
    this.showWord(word, `${share} at ${end_s.toFixed(1)} s`);
    const item = document.createElement("li");
    const small = document.createElement("small");
    item.dataset.word = word;
    item.append(word, small);
    small.textContent = `${share} at ${end_s.toFixed(1)} s, ${Math.round(lateMs)} ms later`;
    this.parts.heard.prepend(item);
    while (this.parts.heard.children.length > KEPT_WORDS) this.parts.heard.lastChild.remove();
  }

  showLatency({ batch, notes }) {
    const figures = {
      "at the server, from a chunk's arrival to its answer": this.answered,
      "with network and browser": this.trips,
      "from a window's end to its score here": this.lateness,
    };
    this.parts.latency.replaceChildren(...Object.entries(figures).map(([what, numbers]) => {
      const item = document.createElement("li");
      const large = document.createElement("b");
      large.textContent = `${Math.round(median(numbers))} ms`;
      item.append(large, ` ${what}`);
      return item;
    }));
    const behind = this.skipped ? `${this.skipped} of ${this.skipped + this.windows} windows were skipped to keep up. ` : "";
    this.parts.measured.textContent =
      `${behind}Medians of the last ${this.answered.length}; the last chunk was ${Math.round(this.chunkMs)} ms long. Not ` +
      "measured: how long microphone and system hold the sound back." +
      (batch > 1 ? ` The last windows were heard in a batch of ${batch}.` : "") +
      notes.map(note => ` Note: ${note.replace(/[.]$/, "")}.`).join("");
  }
}

function keep(numbers, number) {
  numbers.push(number);
  if (numbers.length > KEPT_ANSWERS) numbers.shift();
}

function median(numbers) {
  if (!numbers.length) return 0;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
