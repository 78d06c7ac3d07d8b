"use strict";
// The desk's sounds, made by WebAudio. Browsers keep a page silent until somebody has clicked in it: see blocked().
//
// fire, smoke: temporal-3 (ISO 8201): 0.5 s on, 0.5 off, three times, then 1 s more off: a 4 s cycle. sos: two tones in turn.
// fault: one low beep in 10 s. None sounds like another.

const PATTERNS = {
  fire: { cycle: 4, gain: 0.5, tones: [[0, 0.5, 880], [1, 0.5, 880], [2, 0.5, 880]] },
  sos: { cycle: 2, gain: 0.5, tones: [[0, 0.9, 660], [1, 0.9, 990]] },
  fault: { cycle: 10, gain: 0.3, tones: [[0, 0.25, 330]] },
};
const AHEAD_S = 2; // hidden pages have their timers slowed to one a second

class Sound {
  constructor() {
    this.context = new AudioContext();
    this.pattern = null;
    this.until = 0; // the audio clock's time up to which tones are scheduled
    this.output = null;
    setInterval(() => this.fill(), 500);
  }

  blocked() {
    return this.context.state !== "running";
  }

  enable() {
    return this.context.resume();
  }

  // name: "fire", "sos", "fault" or null for silence.
  play(name) {
    if (name === this.pattern) return;
    this.pattern = name;
    if (this.output) this.output.disconnect(); // cuts off what is scheduled
    this.output = null;
    this.until = 0;
    this.fill();
  }

  fill() {
    const pattern = PATTERNS[this.pattern];
    if (!pattern || this.blocked()) return;
    const now = this.context.currentTime;
    if (!this.output) {
      this.output = this.context.createGain();
      this.output.gain.value = pattern.gain;
      this.output.connect(this.context.destination);
    }
    if (this.until < now) this.until = now;
    while (this.until < now + AHEAD_S) {
      for (const [start, length, hertz] of pattern.tones) this.tone(this.until + start, length, hertz);
      this.until += pattern.cycle;
    }
  }

  tone(at, length, hertz) {
    const oscillator = this.context.createOscillator();
    oscillator.type = "square";
    oscillator.frequency.value = hertz;
    oscillator.connect(this.output);
    oscillator.start(at);
    oscillator.stop(at + length);
  }
}
