// What pages cannot do without a script: copy a command, say where a form came from.
"use strict";
function ready(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code, pre").textContent);
      button.setAttribute("aria-label", "Copied");
    });
  }
  for (const form of root.querySelectorAll("form[data-command]")) current(form);
}
const here = () => { for (const field of document.querySelectorAll("[data-here]")) field.value = location.pathname + location.search; };
here();
// A filter narrows the page as it is typed: the stream then shows what is found, and the address says it.
const filter = document.querySelector("[data-filter]");
if (filter) {
  let timer;
  const find = () => {
    const at = new URL(location), live = new URL(document.body.dataset.live, location);
    for (const url of [at, live]) filter.value.trim() ? url.searchParams.set("q", filter.value.trim()) : url.searchParams.delete("q");
    if (at.href === location.href) return;
    history.replaceState(null, "", at);
    document.body.dataset.live = live.pathname + live.search;
    here();
    document.dispatchEvent(new Event("look"));
  };
  filter.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, 150);
  });
  filter.form.addEventListener("submit", (e) => { e.preventDefault(); find(); });
}
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape") for (const menu of document.querySelectorAll(".menu[open]")) menu.open = false;
});
document.addEventListener("click", (e) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(e.target)) menu.open = false;
});
// What is shown now is in view where a bar of links scrolls in itself.
for (const link of document.querySelectorAll("nav [aria-current=page]")) {
  const bar = link.closest(".tabs, .side-nav");
  if (bar) bar.scrollLeft += link.getBoundingClientRect().right - bar.getBoundingClientRect().right + bar.clientWidth / 3;
}
// What the address names is open.
const named = location.hash && document.getElementById(location.hash.slice(1));
if (named && named.matches("details")) named.open = true;
// How many are marked is said.
function counted() {
  for (const says of document.querySelectorAll("[data-marked]")) {
    const n = says.closest("form").querySelectorAll("tbody :checked").length;
    says.textContent = n + " marked";
  }
}
for (const on of ["change", "patched", "reset"]) document.addEventListener(on, () => setTimeout(counted));
// A diff is loaded when its file is opened, and a menu of a table with it.
document.addEventListener("toggle", async (e) => {
  const part = e.target, place = part.matches("details[data-load]") && part.querySelector("[data-loaded]");
  if (!part.open || !place || place.dataset.loaded) return;
  place.dataset.loaded = "1";
  try {
    const answer = await fetch(part.dataset.load);
    place.innerHTML = await answer.text();
  } catch {
    delete place.dataset.loaded; // the daemon is away: what leads to the page stays
  }
}, true);
// A part that is out of date is read again, once nothing in it is used: see live.js.
const part = document.querySelector("[data-renew]");
if (part) {
  const follow = document.querySelector("[data-follow]"), box = follow && follow.querySelector("input"), log = "bottom" in part.dataset;
  if (follow) follow.hidden = false;
  const down = () => { if (log) part.scrollTop = part.scrollHeight; };
  down();
  let due = false, reads = false;
  const typed = () => [...part.querySelectorAll("input:not([type=hidden]), textarea")].some((i) => i.value !== i.defaultValue);
  const used = () => box && !box.checked || String(getSelection()) !== "" || part.querySelector("a:hover, button:hover, details[open]")
    || part.contains(document.activeElement) && document.activeElement !== part || typed();
  async function renew() {
    if (!due || reads || document.hidden || used()) return;
    reads = true;
    due = false;
    try {
      const answer = await fetch(part.dataset.renew || location.href);
      const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html"), now = page && page.getElementById(part.id);
      if (used()) due = true;
      else if (now && now.innerHTML !== before) {
        const atEnd = part.scrollTop + part.clientHeight >= part.scrollHeight - 8;
        before = now.innerHTML;
        part.replaceChildren(...now.childNodes);
        ready(part);
        if (atEnd) down();
      }
    } catch {} // the daemon is away: the stream tells when it is back
    reads = false;
    if (due) later();
  }
  let before = part.innerHTML, timer = 0;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(renew, 50);
  };
  document.addEventListener("renew", () => { due = true; renew(); });
  for (const on of ["focusout", "pointerout", "selectionchange", "change", "visibilitychange"]) document.addEventListener(on, () => { if (due) later(); });
  document.addEventListener("toggle", () => { if (due) later(); }, true);
}
// The changes of a workspace are read when its page is opened: the button does the same.
const look = document.querySelector("form[data-look]");
if (look) (async () => {
  const body = new URLSearchParams(new FormData(look)), says = look.querySelector("[data-look-says]");
  body.set("do", "look");
  if (says) says.hidden = false;
  try {
    const answer = await fetch(look.action, { method: "POST", body });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html"), now = page.getElementById("workspace"), old = document.getElementById("workspace");
    if (!answer.ok || !now || old.contains(document.activeElement)) return;
    old.replaceChildren(...now.childNodes);
    ready(old);
    history.replaceState(null, "", answer.url);
    document.body.dataset.live = page.body.dataset.live;
    document.dispatchEvent(new Event("look"));
  } catch {} finally { // the daemon is away: the button is there
    if (says) says.hidden = true;
  }
})();
// The command of a form stays current.
function current(form) {
  for (const button of form.querySelectorAll("[data-without-script]")) button.hidden = true;
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const body = new URLSearchParams(new FormData(form));
      body.set("part", "1");
      const answer = await fetch(form.dataset.command, { method: "POST", body });
      if (!answer.ok) return;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      form.querySelector("[data-cmd] code").textContent = part.querySelector("code").textContent;
      for (const fresh of part.querySelectorAll("[data-current]")) document.getElementById(fresh.id).replaceWith(fresh);
    }, 150);
  });
}
ready(document);
