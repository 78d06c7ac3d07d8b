"use strict";
// The desk's sounds, made by WebAudio. Browsers keep a page silent until somebody has clicked in it: see blocked().
//
// fire, smoke: temporal-3 (ISO 8201): 0.5 s on, 0.5 off, three times, then 1 s more off: a 4 s cycle. sos: two tones in turn.
// fault: one low beep in 10 s. test: a rising chime, once. None sounds like another. A pattern is one cycle of samples that the
// browser itself plays round and round, so that no slowed timer and no busy page can stop it.

const PATTERNS = {
  fire: { cycle: 4, gain: 0.5, tones: [[0, 0.5, 880], [1, 0.5, 880], [2, 0.5, 880]] },
  sos: { cycle: 2, gain: 0.5, tones: [[0, 0.9, 660], [1, 0.9, 990]] },
  fault: { cycle: 10, gain: 0.3, tones: [[0, 0.25, 330]] },
  test: { cycle: 1.5, gain: 0.5, once: true, tones: [[0, 0.4, 660], [0.5, 0.4, 880], [1, 0.4, 1100]] },
};

class Sound {
  constructor() {
    this.context = new AudioContext();
    this.pattern = null;
    this.source = null;
    this.output = this.context.createGain();
    this.output.connect(this.context.destination);
    this.at = 0; // the audio clock when it was looked at last, and our time then
    this.lookedAt = 0;
    this.stands = false;
  }

  // True if nobody can hear it: nobody has clicked yet, or the audio clock stands still although it should run.
  blocked() {
    return this.context.state !== "running" || this.stands;
  }

  // To be called twice a second: an audio device that was pulled out leaves a clock that stands.
  check() {
    const now = performance.now();
    if (now - this.lookedAt < 3000) return;
    this.stands = this.context.state === "running" && this.lookedAt > 0 && this.context.currentTime === this.at;
    this.at = this.context.currentTime;
    this.lookedAt = now;
  }

  enable() {
    this.stands = false;
    this.lookedAt = 0;
    return this.context.resume();
  }

  // name: "fire", "sos", "fault" or null for silence.
  play(name) {
    if (name === this.pattern) return;
    this.pattern = name;
    if (this.source) this.source.disconnect();
    this.source = name ? this.start(name) : null;
  }

  // The chime by which somebody hears that the loudspeaker is on.
  test() {
    this.start("test");
  }

  start(name) {
    const pattern = PATTERNS[name];
    const source = this.context.createBufferSource();
    source.buffer = this.samples(pattern);
    source.loop = !pattern.once;
    source.connect(this.output);
    source.start();
    return source;
  }

  // One cycle of square waves: an old loudspeaker makes the most of them.
  samples(pattern) {
    const rate = this.context.sampleRate;
    const buffer = this.context.createBuffer(1, Math.round(pattern.cycle * rate), rate);
    const data = buffer.getChannelData(0);
    for (const [start, length, hertz] of pattern.tones) {
      const first = Math.round(start * rate);
      for (let i = 0; i < length * rate; i++) data[first + i] = Math.sin((2 * Math.PI * hertz * i) / rate) < 0 ? -pattern.gain : pattern.gain;
    }
    return buffer;
  }
}
