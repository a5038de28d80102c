// What pages cannot do without a script: copy a command, say where a form came from.
"use strict";
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code, pre").textContent);
    button.setAttribute("aria-label", "Copied");
  });
}
for (const field of document.querySelectorAll("[data-here]")) field.value = location.pathname + location.search;
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
// A part that changes by itself is read again while it is looked at and nothing in it is used.
for (const part of document.querySelectorAll("[data-renew]")) {
  const follow = document.querySelector("[data-follow]");
  const box = follow && follow.querySelector("input");
  if (follow) follow.hidden = false;
  const down = () => { if ("bottom" in part.dataset) part.scrollTop = part.scrollHeight; };
  down();
  const renew = async () => {
    if (document.hidden || (box && !box.checked) || part.contains(document.activeElement) && document.activeElement !== part) return;
    const answer = await fetch(part.dataset.renew);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.getElementById(part.id);
    if (!now || now.innerHTML === part.innerHTML || String(getSelection()) !== "") return;
    const atEnd = part.scrollTop + part.clientHeight >= part.scrollHeight - 8;
    part.replaceChildren(...now.childNodes);
    if (atEnd) down();
  };
  setInterval(() => renew().catch(() => {}), 3000);
}
// Single keys, unless they are off or something is typed.
document.addEventListener("keydown", (e) => {
  if (!("keys" in document.documentElement.dataset) || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, textarea, select, [contenteditable], .term-screen")) return;
  const field = document.querySelector("main input[type=search], main input[name=q], main input[name=target], main input[name=ref]");
  const copy = document.querySelector("main [data-copy]:not([hidden])");
  if (e.key === "/" && field) field.focus();
  else if (e.key === "n") location.assign("/create");
  else if (e.key === "g") location.assign("/");
  else if (e.key === "y" && copy) copy.click();
  else return;
  e.preventDefault();
});
// The command of a form stays current.
for (const form of document.querySelectorAll("form[data-command]")) {
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
