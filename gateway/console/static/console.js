"use strict";
// What the page does by itself: notices that the console is gone, sounds, flashes title and icon, tells the console that it is open and
// can be heard, counts seconds, and keeps what somebody has opened or typed when a piece of the page is replaced.

const DEAD_MS = 3500; // a beat comes every 2 s (gateway/console/events.py); with the ticker's 500 ms it is noticed within 4 s
const ALIVE_MS = 6000; // the engine must know that a desk is open and can be heard (gateway/console/presence.py)
const REOPEN_MS = 10000; // a stream whose link has died without a word is opened anew
const PROVEN_MS = 12 * 3600 * 1000; // whoever heard the chime has heard it for one shift

const root = document.documentElement;
const body = document.body;
const decides = body.dataset.orders === "yes"; // whoever only looks on sits at no desk: that page makes no sound, and asks for none
const sound = new Sound();
const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
let heard = performance.now(); // monotonic time of the last beat
let heardAt = Date.now(); // the console's clock then
let source = null; // the stream of events, and when it was opened, or was tried anew
let openedAt = heard;
let cut = false; // something that was pressed could not be sent since the last beat
let flash = false;
let proven = false; // somebody said that the chime was heard
let asked = false; // the chime was played, and nobody has said anything
let said = { at: -Infinity, audible: null };

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

function nowMs() {
  return heardAt + (performance.now() - heard);
}

function beat(event) {
  heard = performance.now();
  heardAt = JSON.parse(event.data).now_ms;
  root.dataset.stream = "open";
  cut = false;
  look();
}

function wanted(strip, dead) {
  if (strip.dataset.alarms !== "0") return strip.dataset.kind === "sos" ? "sos" : "fire";
  return dead || strip.dataset.engine !== "online" ? "fault" : null;
}

// Was the chime heard in this window in this shift? A window that is loaded again need not be asked again.
function remembered() {
  try {
    return Date.now() - Number(sessionStorage.getItem("heard")) < PROVEN_MS;
  } catch {
    return false;
  }
}

function remember() {
  try {
    sessionStorage.setItem("heard", String(Date.now()));
  } catch {
    // then it is asked again
  }
}

function isDead() {
  return cut || performance.now() - heard > DEAD_MS;
}

// A page that gets nothing any more is no desk, however loud it is.
function audible() {
  return decides && proven && !sound.blocked() && !isDead();
}

// The browser itself tries a stream again that broke, and not one that only says nothing.
function reopen() {
  const now = performance.now();
  if (!source || source.readyState === EventSource.CLOSED || now - Math.max(heard, openedAt) < REOPEN_MS) return;
  openedAt = now;
  source.close();
  source.dispatchEvent(new Event("error")); // htmx opens it again
}

// Brings everything that depends on beats, alarms and sound up to date. Cheap, so called whenever one of them may have changed.
function look() {
  const strip = element("strip");
  const dead = isDead();
  root.dataset.link = dead ? "dead" : "live";
  element("dead").hidden = !dead;
  element("dead-since").textContent = stamp(heardAt);
  sound.check();
  const blocked = sound.blocked();
  const name = decides ? wanted(strip, dead) : null;
  sound.play(name);
  root.dataset.sound = blocked ? "blocked" : name || "quiet";
  element("sound").hidden = !decides || !(blocked || !(proven || asked));
  element("sound-ask").hidden = !decides || blocked || proven || !asked;
  element("sound-ready").hidden = !audible();
  const alarm = strip.dataset.title;
  const calm = dead ? body.dataset.titleDead : body.dataset.title;
  document.title = (alarm || dead) && flash ? `● ${alarm || calm}` : alarm || calm;
  const icon = `/static/icon${(alarm || dead) && flash ? "-alarm" : ""}.svg`;
  if (element("icon").getAttribute("href") !== icon) element("icon").setAttribute("href", icon);
  if (decides) tell();
  reopen();
}

// Tells the console that this page is open, and whether it can be heard.
function tell() {
  const now = performance.now();
  if (now - said.at < ALIVE_MS && said.audible === audible()) return;
  said = { at: now, audible: audible() };
  const form = new URLSearchParams({ page, audible: said.audible ? "yes" : "no" });
  fetch("/alive", { method: "POST", body: form }).catch(() => {}); // a dead console is noticed by its beats
}

function tick() {
  flash = Math.floor(performance.now() / 1000) % 2 === 0;
  const now = nowMs();
  element("clock").textContent = stamp(now);
  for (const span of document.querySelectorAll("[data-since]")) span.textContent = lasting(now - Number(span.dataset.since));
  for (const span of document.querySelectorAll("[data-due]")) span.textContent = lasting(Number(span.dataset.due) - now);
  look();
}

function ask() {
  return sound.enable().then(() => {
    asked = true;
    if (remembered()) proven = true;
    else sound.test();
    look();
  });
}

function heardIt(yes) {
  proven = yes;
  if (yes) remember();
  else sound.test();
  element("sound-advice").hidden = yes;
  look();
}

function markTab() {
  const show = element("view").dataset.show;
  const tab = { desk: "incidents", log: "log", boards: "log" }[show] || location.pathname.slice(1);
  for (const link of element("tabs").querySelectorAll("a")) {
    if (link.id === `tab-${tab}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// What somebody has opened or typed in a piece of the page goes over to the piece that takes its place.
function keep(before, after) {
  for (const details of before.querySelectorAll("details[id]")) {
    const same = after.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = details.open;
  }
  for (const field of before.querySelectorAll("input[type=text][id], select[id], textarea[id]")) {
    const same = after.querySelector(`#${CSS.escape(field.id)}`);
    if (same) same.value = field.value;
  }
}

body.addEventListener("htmx:sseOpen", (event) => {
  source = event.detail.source;
  openedAt = performance.now();
  source.removeEventListener("beat", beat);
  source.addEventListener("beat", beat);
});
body.addEventListener("htmx:oobBeforeSwap", (event) => keep(event.detail.target, event.detail.fragment));
body.addEventListener("htmx:oobAfterSwap", () => {
  // What the page shows is no longer what it was loaded with: a stream that is opened anew must not claim it, and goes on with the
  // incident that stands there now.
  const stream = document.querySelector("[sse-connect]");
  const address = new URL(stream.getAttribute("sse-connect"), location);
  const card = document.querySelector("article.card");
  address.searchParams.delete("seen");
  if (card) address.searchParams.set("shown", card.id.replace(/^card-/, ""));
  stream.setAttribute("sse-connect", address.pathname + address.search);
  look();
});
body.addEventListener("htmx:sendError", () => {
  cut = true; // somebody has pressed, and nothing went out: that must not wait for the next missing beat
  look();
});
body.addEventListener("htmx:timeout", (event) => {
  if (event.detail.requestConfig.verb !== "post") return;
  const notice = document.createElement("p"); // the console answers within 5 s: the link took the order, or the answer
  notice.className = "notice bad";
  notice.textContent = `✕ ${body.dataset.noAnswer}`;
  element("notice").replaceChildren(notice);
});
body.addEventListener("htmx:afterSettle", markTab);
body.addEventListener("htmx:pushedIntoHistory", () => element("notice").replaceChildren()); // what was said belongs to the page that was left
element("sound-enable").addEventListener("click", ask);
element("sound-heard").addEventListener("click", () => heardIt(true));
element("sound-unheard").addEventListener("click", () => heardIt(false));
sound.context.addEventListener("statechange", look);
document.addEventListener("visibilitychange", look);
// A browser that lets the page sound by itself, because it was clicked in before, needs no click; whether it is heard is asked all the same.
if (decides && !sound.blocked()) ask();
const ticker = new Worker("/static/ticker.js");
ticker.addEventListener("message", tick);
markTab();
tick();
