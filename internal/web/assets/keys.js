// Single keys, unless they are off or something is typed: "?" shows them.
"use strict";
(() => {
  if (!("keys" in document.documentElement.dataset)) return;
  const help = document.getElementById("keys");
  const typed = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], .term-screen";
  const rows = () => [...document.querySelectorAll("main table.rows > tbody > tr")].filter((row) => row.checkVisibility());
  const stop = (row) => row && (row.querySelector("th a, td a") || row.querySelector("button, summary, input"));
  let last = null; // the row that had the focus, also once it was sent again
  const at = (all) => {
    const row = document.activeElement.closest("main tbody > tr");
    return all.findIndex((r) => r === row || !row && last && r.id && r.id === last);
  };
  // move passes to the next row, or the one before. The first key goes to the first row.
  function move(by) {
    const all = rows(), from = at(all);
    const row = all[from < 0 ? 0 : Math.min(Math.max(from + by, 0), all.length - 1)], place = stop(row);
    if (!place) return false;
    last = row.id;
    place.focus();
    row.scrollIntoView({ block: "nearest" });
    return true;
  }
  // mark marks the row that has the focus. A button there, and its own box, do what they do.
  function mark(target) {
    const row = target.closest("tbody > tr"), box = row && row.querySelector("input[name=vm]");
    if (!box || !target.matches("a, tr")) return false;
    box.click();
    return true;
  }
  const acts = {
    "/": () => {
      const field = document.querySelector("main input[type=search], main input[name=q], main input[name=target], main input[name=ref]");
      if (field) field.focus();
      return field;
    },
    "?": () => { if (!help.open) help.showModal(); return true; },
    j: () => move(1), k: () => move(-1),
    " ": mark,
    n: () => { location.assign("/create"); return true; },
    g: () => { location.assign("/"); return true; },
    y: () => {
      const copy = document.querySelector("main [data-copy]:not([hidden])");
      if (copy) copy.click();
      return copy;
    },
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || e.defaultPrevented) return;
    if (e.key === "Escape" && e.target.matches("input[type=search]")) { // it is cleared, as the browser does, and left
      setTimeout(() => document.getElementById("main").focus());
      return;
    }
    if (e.target.closest(typed) || document.querySelector("dialog[open]")) return;
    const act = Object.hasOwn(acts, e.key) && acts[e.key];
    if (act && act(e.target)) e.preventDefault();
  });
})();
