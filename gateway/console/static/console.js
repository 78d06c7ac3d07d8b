"use strict";
// What the page does by itself: notices that the console is gone, sounds, flashes the title, counts the seconds of open incidents,
// and keeps opened details open when a piece of the page is replaced.

const DEAD_MS = 3500; // a beat comes every 2 s (gateway/console/events.py); with LOOK_MS it is noticed within 4 s
const LOOK_MS = 500;
const ALIVE_MS = 6000; // the engine must know that a desk is open and can be heard (gateway/console/presence.py)

const root = document.documentElement;
const body = document.body;
const sound = new Sound();
let heard = performance.now(); // monotonic time of the last beat
let heardAt = Date.now(); // the console's clock then
let flash = false;
const page = Math.random().toString(36).slice(2, 14) || "0";
let told = -Infinity; // monotonic time at which we said last that this page is open
let toldAudible = "";

function element(id) {
  return document.getElementById(id);
}

function two(number) {
  return String(number).padStart(2, "0");
}

// Unix ms as dd/MM/yyyy HH:mm:ss in Asia/Ho_Chi_Minh (UTC+7 all year).
function stamp(ms) {
  const time = new Date(ms + 7 * 3600 * 1000);
  const date = `${two(time.getUTCDate())}/${two(time.getUTCMonth() + 1)}/${time.getUTCFullYear()}`;
  return `${date} ${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`;
}

function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${two(minutes % 60)}:${two(seconds % 60)}` : `${two(minutes)}:${two(seconds % 60)}`;
}

function beat(event) {
  heard = performance.now();
  heardAt = JSON.parse(event.data).now_ms;
  look();
  alive();
}

// With the beats, since a hidden page has its timers slowed and its events not.
function alive() {
  const audible = sound.blocked() ? "no" : "yes";
  if (audible === toldAudible && performance.now() - told < ALIVE_MS) return;
  told = performance.now();
  toldAudible = audible;
  fetch("/alive", { method: "POST", body: new URLSearchParams({ page, audible }) }).catch(() => {});
}

function wanted(strip, dead) {
  if (strip.dataset.alarms !== "0") return strip.dataset.kind === "sos" ? "sos" : "fire";
  return dead || strip.dataset.engine !== "online" ? "fault" : null;
}

// Brings everything that depends on beats, alarms and sound up to date. Cheap, so called whenever one of them may have changed.
function look() {
  const strip = element("strip");
  const dead = performance.now() - heard > DEAD_MS;
  root.dataset.link = dead ? "dead" : "live";
  element("dead").hidden = !dead;
  element("dead-since").textContent = stamp(heardAt);
  const blocked = sound.blocked();
  const name = wanted(strip, dead);
  sound.play(name);
  root.dataset.sound = blocked ? "blocked" : name || "quiet";
  element("sound").hidden = !blocked;
  element("sound-ready").hidden = blocked;
  const alarm = strip.dataset.title;
  const calm = dead ? body.dataset.titleDead : body.dataset.title;
  document.title = alarm && flash ? `● ${alarm}` : alarm || calm;
}

function tick() {
  flash = Math.floor(performance.now() / 1000) % 2 === 0;
  const now = heardAt + (performance.now() - heard);
  for (const span of document.querySelectorAll("[data-since]")) span.textContent = lasting(now - Number(span.dataset.since));
  look();
}

function openDetails(inside) {
  return [...inside.querySelectorAll("details[open]")].map((details) => details.id);
}

body.addEventListener("htmx:sseOpen", (event) => {
  const source = event.detail.source;
  source.removeEventListener("beat", beat);
  source.addEventListener("beat", beat);
});
body.addEventListener("htmx:oobBeforeSwap", (event) => {
  for (const id of openDetails(event.detail.target)) {
    const details = event.detail.fragment.querySelector(`#${CSS.escape(id)}`);
    if (details) details.open = true;
  }
});
body.addEventListener("htmx:oobAfterSwap", look);
element("sound-enable").addEventListener("click", () => sound.enable().then(look));
sound.context.addEventListener("statechange", () => {
  look();
  alive();
});
document.addEventListener("visibilitychange", look);
setInterval(tick, LOOK_MS);
tick();
