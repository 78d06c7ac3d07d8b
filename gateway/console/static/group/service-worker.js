"use strict";
// Keeps what the page of a group is made of, and a page for the time without a connection. Nothing that is about anybody is kept: a page
// that comes out of a cache would show an alarm that is over, or none where there is one.

const KEPT = "keng-group-1";
const FILES = [
  "/static/group/group.css",
  "/static/group/group.js",
  "/static/group/icon-192.png",
  "/static/icon.svg",
  "/group/offline/vi",
  "/group/offline/en",
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((name) => name !== KEPT).map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

// From the network, and for next time into the cache; from the cache at once, so that a slow link waits for nothing that it has.
function kept(request) {
  return caches.open(KEPT).then((cache) => cache.match(request).then((found) => {
    const fresh = fetch(request).then((answer) => {
      if (answer.ok) cache.put(request, answer.clone());
      return answer;
    });
    if (!found) return fresh;
    fresh.catch(() => {});
    return found;
  }));
}

function offline(request) {
  const language = (request.headers.get("accept-language") || navigator.language || "vi").startsWith("en") ? "en" : "vi";
  return caches.match(`/group/offline/${language}`);
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (FILES.includes(url.pathname)) event.respondWith(kept(event.request));
  else if (event.request.mode === "navigate") event.respondWith(fetch(event.request).catch(() => offline(event.request)));
});
