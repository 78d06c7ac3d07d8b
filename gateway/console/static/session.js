"use strict";
// The desk's page of somebody who is logged out: says so, beside the warning that nothing new comes (console.js).

function signedOut() {
  document.getElementById("over").hidden = false;
}

document.body.addEventListener("htmx:sseOpen", (event) => {
  event.detail.source.addEventListener("over", () => {
    signedOut();
    event.detail.source.close();
  }, { once: true });
});
document.body.addEventListener("htmx:sseError", (event) => {
  if (event.detail.source.readyState !== EventSource.CLOSED) return;
  // Refused, not only broken: is it because of us?
  fetch("/account", { headers: { Accept: "text/plain" } }).then((answer) => answer.status === 401 && signedOut(), () => {});
});
document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) signedOut();
});
