/** A plain script, for where a page's modules do not come: it says so, instead of a page that looks alive and is dead. */

"use strict";

(() => {
  const WAIT_MS = 10000;
  let isBroken = false;

  function show(isDead) {
    document.getElementById("dead").hidden = !isDead;
    document.querySelector("main").hidden = isDead;
  }

  const late = setTimeout(() => show(true), WAIT_MS);
  addEventListener("error", (event) => {
    if (event.target.tagName !== "SCRIPT") return;
    isBroken = true;
    show(true);
  }, true); // a script's error does not bubble
  addEventListener("started", () => {
    clearTimeout(late);
    show(isBroken);
  });
})();
