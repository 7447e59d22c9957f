"use strict";
// The window says that it is there, so that one that has crashed is told from one
// that the holder closed; and whether keys come to it.
const secret = document.body.dataset.secret;
if (secret) {
  let sent = false;
  for (const form of document.forms) form.addEventListener("submit", () => { sent = true; });
  const beat = () => fetch(`/window/pin/${secret}/beat`, { method: "POST" }).then(async (r) => {
    if (r.ok && (await r.json()).over) document.getElementById("cancelform").requestSubmit();
  }, () => {});
  setInterval(beat, 3000);
  addEventListener("pagehide", () => { if (!sent) navigator.sendBeacon(`/window/pin/${secret}/cancel`); });
  const focus = document.getElementById("focus");
  const look = () => { focus.hidden = document.hasFocus(); };
  addEventListener("focus", look);
  addEventListener("blur", look);
  look();
}
