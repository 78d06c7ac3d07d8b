"use strict";
// The page of a group: shows what changes, says when nothing comes any more, and sends what somebody says until it has arrived.

const DEAD_MS = 10000; // a beat comes every 2 s; a phone on a poor link misses some
const RETRY_MS = 2000;
const TRY_MS = 10000; // the console answers within 5 s: what takes longer lies in a link that swallows everything, and is sent anew
const GIVE_UP_MS = 120000;

const body = document.body;
let source = null;
let heard = Date.now();
let offset = 0; // of the console's clock
let alarms = count();
let opened = 0; // when the stream was opened that is there now
const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
let presses = 0;
const said = new Map(); // home of an alarm -> what stops the sending of what was said of it last

function element(id) {
  return document.getElementById(id);
}

function two(number) {
  return String(number).padStart(2, "0");
}

function count() {
  return Number(element("state").dataset.alarms);
}

// Replaces the pieces that came, and keeps open what was open, and what was typed.
function show(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  for (const piece of [...template.content.children]) {
    const old = element(piece.id);
    if (!old) continue;
    const focus = old.contains(document.activeElement) ? path(document.activeElement) : null;
    for (const open of old.querySelectorAll("details[open]")) {
      const same = [...piece.querySelectorAll("details")].find((one) => one.id === open.id);
      if (same) same.open = true;
    }
    for (const field of old.querySelectorAll("input[type=text]")) {
      const same = piece.querySelector(`#${CSS.escape(field.id)}`);
      if (same) same.value = field.value;
    }
    old.replaceWith(piece);
    body.dataset.events = body.dataset.events.replace(/\?.*/, ""); // it no longer shows what it was loaded with
    if (focus) document.querySelector(focus)?.focus();
  }
  const now = count();
  if (now > alarms && navigator.vibrate) navigator.vibrate([500, 500, 500, 500, 500]);
  alarms = now;
  document.title = now ? `● ${body.dataset.alarmTitle} – ${body.dataset.title}` : body.dataset.title;
  tick();
}

// How to find a button again in the piece that replaces its own.
function path(button) {
  if (button.id) return `#${CSS.escape(button.id)}`;
  const form = button.closest("form");
  const action = form ? `form[action="${CSS.escape(form.getAttribute("action"))}"]` : "";
  const home = form?.querySelector("[name=home]");
  const within = home ? `${action}:has([name=home][value="${CSS.escape(home.value)}"])` : action;
  return button.value ? `${within} [value="${CSS.escape(button.value)}"]` : null;
}

function connect() {
  if (source) source.close();
  opened = Date.now();
  source = new EventSource(body.dataset.events);
  source.addEventListener("page", (event) => show(event.data));
  source.addEventListener("beat", (event) => {
    heard = Date.now();
    offset = JSON.parse(event.data).now_ms - heard;
    tick();
  });
  source.addEventListener("over", () => location.replace("/login"));
}

function tick() {
  const now = Date.now();
  const dead = now - heard > DEAD_MS;
  document.documentElement.dataset.link = dead ? "dead" : "live";
  element("dead").hidden = !dead;
  if (dead) element("dead-since").textContent = `${two(Math.floor((now - heard) / 60000))}:${two(Math.floor((now - heard) / 1000) % 60)}`;
  for (const span of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((now + offset - Number(span.dataset.since)) / 1000));
    const hours = Math.floor(seconds / 3600);
    span.textContent = `${hours ? `${hours}:` : ""}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  }
  // Two streams the browser itself does not try again: one that was refused (logged out, or the console starts), and one whose link has
  // died without a word, as when a phone goes from Wi-Fi to its own network.
  if (!resting && (source.readyState === EventSource.CLOSED || (dead && now - opened > DEAD_MS))) again();
}

let asked = 0;
function again() {
  if (Date.now() - asked < RETRY_MS) return;
  asked = Infinity; // until there is an answer
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TRY_MS);
  fetch("/account", { headers: { Accept: "text/plain" }, signal: stop.signal }).then((answer) => {
    if (answer.status === 401) location.replace("/login");
    else if (answer.ok) connect();
  }, () => {}).finally(() => {
    clearTimeout(timer);
    asked = Date.now();
  });
}

// A browser opens six connections to one console, for all its pages: of somebody who has the desk beside it, only the page that is looked
// at takes one, so that orders of the desk never wait.
let resting = false;
function rest() {
  resting = "rests" in body.dataset && document.visibilityState === "hidden";
  if (resting) source.close();
  else if (source.readyState === EventSource.CLOSED) connect();
}

function notice(html) {
  element("notice").innerHTML = html;
}

function plain(text, tone) {
  const line = document.createElement("p");
  line.className = `notice ${tone}`;
  line.textContent = text;
  element("notice").replaceChildren(line);
}

async function post(action, data, stop) {
  const timer = setTimeout(() => stop.abort(), TRY_MS);
  try {
    const answer = await fetch(action, { method: "POST", body: data, headers: { "HX-Request": "true" }, signal: stop.signal });
    return [answer, await answer.text()];
  } finally {
    clearTimeout(timer);
  }
}

// What somebody says of a home stays true for a while: it is sent again until it has arrived, or until somebody says something newer of
// that home. Each press has its number, so that the console takes none that comes late. A decision is sent once.
async function send(action, data, retry) {
  const since = Date.now();
  const turn = { over: false, stop: null };
  if (retry) {
    const home = `${data.get("incident")} ${data.get("home")}`;
    const before = said.get(home);
    if (before) {
      before.over = true;
      before.stop?.abort();
    }
    said.set(home, turn);
    data.set("page", page);
    data.set("press", ++presses);
  }
  for (;;) {
    const last = !retry || Date.now() - since > GIVE_UP_MS;
    try {
      const [answer, text] = await post(action, data, (turn.stop = new AbortController()));
      if (turn.over) return;
      if (answer.status === 401) {
        location.replace("/login");
        return;
      }
      if (answer.status < 500 || last) {
        notice(text);
        return;
      }
    } catch {
      if (turn.over) return;
      if (last) {
        plain(retry ? body.dataset.notSent : body.dataset.notKnown, "bad");
        return;
      }
    }
    plain(body.dataset.sending, "waits");
    await new Promise((done) => setTimeout(done, RETRY_MS));
    if (turn.over) return;
  }
}

// Ending an alarm by mistake leaves people alone in a fire: such an order waits some seconds in which it can be taken back.
let waiting = null; // { id of the form, version, text, issue, until, timer }

function stop() {
  clearInterval(waiting.timer);
  waiting = null;
  element("grace").hidden = true;
}

function wait() {
  if (element(waiting.id)?.querySelector("[name=version]").value !== waiting.version) {
    stop(); // somebody has pressed again, or was quicker
    plain(element("grace").dataset.changed, "bad");
    return;
  }
  const left = waiting.until - performance.now();
  element("grace-left").textContent = `${Math.max(0, Math.ceil(left / 1000))} s`;
  if (left > 0) return;
  const issue = waiting.issue;
  stop();
  issue();
}

function grace(form, issue) {
  if (waiting) stop();
  const version = form.querySelector("[name=version]").value;
  waiting = { id: form.id, version, issue, until: performance.now() + Number(form.dataset.grace) * 1000, timer: setInterval(wait, 100) };
  element("grace-text").textContent = form.dataset.graceText;
  element("notice").replaceChildren();
  element("grace").hidden = false;
  element("grace-undo").focus();
}

element("grace-undo").addEventListener("click", () => {
  if (waiting) stop();
  plain(element("grace").dataset.undone, "bad");
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form.ask")) return;
  event.preventDefault();
  // The form may be replaced by the news of its own success: what is sent is taken out of it now.
  const data = new URLSearchParams(new FormData(form, event.submitter));
  const { action } = form;
  const retry = "retry" in form.dataset;
  const issue = () => {
    plain(body.dataset.sending, "waits");
    send(action, data, retry);
  };
  if (form.dataset.grace) grace(form, issue);
  else issue();
});

document.addEventListener("visibilitychange", () => {
  rest();
  if (document.visibilityState === "visible") tick();
});
if ("serviceWorker" in navigator && body.dataset.worker) navigator.serviceWorker.register(body.dataset.worker).catch(() => {});
connect();
rest();
setInterval(tick, 500);
