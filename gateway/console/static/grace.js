"use strict";
// Ending an incident by mistake leaves people alone in a fire, so the order waits some seconds in which it can be taken back. If the page
// or the machine dies meanwhile, the incident is still open.

(() => {
  const bar = document.getElementById("grace");
  let waiting = null; // { issue, form, until, timer }

  function say(text) {
    const notice = document.createElement("p");
    notice.className = "notice bad";
    notice.textContent = text;
    document.getElementById("notice").replaceChildren(notice);
  }

  function stop() {
    clearInterval(waiting.timer);
    waiting = null;
    bar.hidden = true;
  }

  function step() {
    // A version that rose meanwhile replaced the form: somebody pressed again, or another desk was quicker.
    if (!waiting.form.isConnected) {
      stop();
      say(bar.dataset.changed);
      return;
    }
    const left = waiting.until - performance.now();
    document.getElementById("grace-left").textContent = `${Math.max(0, Math.ceil(left / 1000))} s`;
    if (left > 0) return;
    const issue = waiting.issue;
    stop();
    issue();
  }

  document.body.addEventListener("htmx:confirm", (event) => {
    const form = event.detail.elt;
    const seconds = Number(form.dataset.grace || 0);
    if (!seconds) return;
    event.preventDefault();
    if (waiting) stop();
    // Which of the form's buttons it was, htmx forgets as soon as the focus leaves it.
    const button = event.detail.triggeringEvent?.submitter;
    const issue = () => {
      if (button?.name) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: button.name, value: button.value }));
      event.detail.issueRequest(true);
    };
    waiting = { form, issue, until: performance.now() + seconds * 1000, timer: setInterval(step, 100) };
    document.getElementById("grace-text").textContent = form.dataset.graceText;
    bar.hidden = false;
    document.getElementById("notice").replaceChildren();
    document.getElementById("grace-undo").focus();
    step();
  });
  document.getElementById("grace-undo").addEventListener("click", () => {
    if (!waiting) return;
    stop();
    say(bar.dataset.undone);
  });
})();
