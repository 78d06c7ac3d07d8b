"use strict";
// Keeps what the page of a group is made of, and a page for the time without a connection. Nothing that is about anybody is kept: a page
// that comes out of a cache would show an alarm that is over, or none where there is one.
//
// The page names its release (gateway/console/release.py) when it registers us and when it asks for what it is made of. A new one is another
// worker with a cache of its own, and no page is ever given the parts of another release.

const RELEASE = self.location.search;
const KEPT = `keng-group${RELEASE}`;
const FILES = [
  "/static/group/group.css",
  "/static/group/group.js",
  "/static/group/icon-192.png",
  "/static/icon.svg",
  "/group/offline/vi",
  "/group/offline/en",
].map((path) => path + RELEASE);

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

// From the cache at once, so that a slow link waits for nothing that it has; what a browser has thrown away is fetched again.
function kept(request) {
  return caches.open(KEPT).then((cache) => cache.match(request).then((found) => found || fetch(request).then((answer) => {
    if (answer.ok) cache.put(request, answer.clone());
    return answer;
  })));
}

function offline(request) {
  const language = (request.headers.get("accept-language") || navigator.language || "vi").startsWith("en") ? "en" : "vi";
  return caches.match(`/group/offline/${language}${RELEASE}`);
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (FILES.includes(url.pathname + url.search)) event.respondWith(kept(event.request));
  else if (event.request.mode === "navigate") event.respondWith(fetch(event.request).catch(() => offline(event.request)));
});
