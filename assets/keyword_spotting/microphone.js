// The microphone: opens it, hands over its samples, closes it, and says in plain words why it cannot be had.

// What the room sounds like is what the model should hear: nothing is to be smoothed away or made louder on the way.
const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const REASONS = {
  NotAllowedError:
    "This page may not use the microphone. Allow it: click the icon at the left end of the address bar, or look in " +
    "the browser's settings for this site; then press Start listening again.",
  NotFoundError: "No microphone was found. Plug one in and press Start listening again, or upload a recording instead.",
  NotReadableError:
    "The microphone is there but cannot be read: another program may be using it. Close that one, then press Start " +
    "listening again.",
};

export function isHidden() {
  return !window.isSecureContext || navigator.mediaDevices === undefined;
}

export function reason(error) {
  return REASONS[error.name] || `The microphone could not be started (${error.message}).`;
}

export class Microphone {
  /**
   * @param {(samples: Float32Array) => void} onSamples gets all samples, in order, -1 to 1.
   * @param {() => void} onEnd is called when the microphone goes away by itself, because it was unplugged.
   */
  static async open(onSamples, onEnd) {
    const microphone = new Microphone();
    try {
      microphone.stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
      microphone.context = new AudioContext();
      await microphone.context.audioWorklet.addModule(new URL("recorder.js", import.meta.url));
      const recorder = new AudioWorkletNode(microphone.context, "recorder", { numberOfOutputs: 0 });
      recorder.port.onmessage = event => onSamples(event.data);
      microphone.context.createMediaStreamSource(microphone.stream).connect(recorder);
      await microphone.context.resume();
      microphone.stream.getTracks().forEach(track => track.addEventListener("ended", onEnd));
    } catch (error) {
      microphone.close();
      throw error;
    }
    return microphone;
  }

  get rate() {
    return this.context.sampleRate;
  }

  close() {
    this.stream?.getTracks().forEach(track => track.stop());
    this.context?.close();
  }
}

// Samples in -1 to 1 as 16-bit numbers, little-endian as on every machine that has a browser, in base64.
export function packed(blocks) {
  const numbers = new Int16Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    for (const sample of block) numbers[at++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
  }
  const bytes = new Uint8Array(numbers.buffer);
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  }
  return btoa(text);
}
