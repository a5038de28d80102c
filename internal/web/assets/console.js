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
