// Runs on the browser's audio thread: gathers the microphone's samples and passes them on every 20 ms.

const PASSED_ON_S = 0.02;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = []; // of 128 samples, as the browser hands them over
    this.count = 0;
  }

  process([input]) {
    if (input.length === 0) return true; // nothing is connected yet
    const mono = new Float32Array(input[0].length);
    for (const channel of input) channel.forEach((sample, k) => { mono[k] += sample / input.length; });
    this.blocks.push(mono);
    this.count += mono.length;
    if (this.count >= PASSED_ON_S * sampleRate) {
      const samples = new Float32Array(this.count);
      let at = 0;
      for (const block of this.blocks) {
        samples.set(block, at);
        at += block.length;
      }
      this.blocks = [];
      this.count = 0;
      this.port.postMessage(samples, [samples.buffer]);
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
