// What changes while a page is open: the console sends the elements that changed, and they replace those with the same ID.
"use strict";
(() => {
  const version = document.body.dataset.version;
  const light = document.getElementById("live"), toasts = document.getElementById("toasts"), title = document.title;
  const firstPause = 500, lastPause = 5000, lookAgain = 3000, lookHidden = 30000, most = 4;
  // A browser has six connections to one host. Pages share so many for their streams, and others look again from time to time.
  const slots = ["live-1", "live-2", "live-3"];
  const held = new Map(); // what waits until focus and pointer have left it
  const known = new Map(); // the elements of each list
  let stream = null, pause = firstPause, timer = 0, free = null, turn = null, ended = false;

  const says = (live, why = "Trying again") => {
    light.hidden = false;
    light.classList.toggle("st-running", live);
    light.lastElementChild.textContent = live ? "Live" : why;
  };
  const busy = (e) => e.contains(document.activeElement) && e !== document.body || e.matches(":hover") || e.querySelector("details[open]") !== null || e.matches("details[open]");
  const textOf = (e) => [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());

  // marks are kept: what is sent has none.
  function marks(old, fresh) {
    const boxes = fresh.querySelectorAll("input[type=checkbox]");
    for (const [i, box] of [...old.querySelectorAll("input[type=checkbox]")].entries()) {
      if (boxes[i] && boxes[i].name === box.name) boxes[i].checked = box.checked;
    }
  }
  // patch makes old the same as fresh, but for what someone is at. It reports whether all of it is.
  function patch(old, fresh) {
    if (old.isEqualNode(fresh)) return true;
    if (old.dataset.loaded) return false; // somebody reads what was loaded into it
    if (!busy(old)) {
      marks(old, fresh);
      old.replaceWith(fresh);
      return true;
    }
    if (old.tagName !== fresh.tagName || old.childElementCount !== fresh.childElementCount || !old.childElementCount || textOf(old) || textOf(fresh)) return false;
    const pairs = [...old.children].map((child, i) => [child, fresh.children[i]]);
    return pairs.map(([a, b]) => patch(a, b)).every(Boolean);
  }
  function parse(html) {
    const t = document.createElement("template");
    t.innerHTML = html;
    return t.content.firstElementChild;
  }
  function place(f) {
    const old = document.getElementById(f.id), fresh = parse(f.html);
    held.delete(f.id);
    if (old && !patch(old, fresh)) held.set(f.id, f);
    const list = f.in && document.getElementById(f.in);
    if (old || !list) return;
    list.prepend(fresh);
    list.closest("table")?.removeAttribute("hidden");
  }
  // keep removes what is gone from a list. Rows keep their place: only new ones are put where they belong.
  function keep(id, ids) {
    const list = document.getElementById(id);
    if (!list) return;
    for (const child of [...list.children]) if (!ids.includes(child.id)) child.remove();
    const before = known.get(id);
    for (const [i, name] of ids.entries()) {
      const child = document.getElementById(name);
      if (before && !before.has(name) && child !== list.children[i]) list.insertBefore(child, list.children[i]);
    }
    known.set(id, new Set(ids));
    const table = list.closest("table");
    if (table) table.hidden = !ids.length;
  }
  function toast(html) {
    const one = parse(html);
    toasts.append(one);
    while (toasts.children.length > most) toasts.firstElementChild.remove();
    setTimeout(() => one.remove(), 15000);
  }
  function take(e) {
    const u = JSON.parse(e.data);
    if (u.version !== version) return location.reload(); // the console is of another build
    for (const f of u.fragments || []) place(f);
    for (const [id, ids] of Object.entries(u.lists || {})) keep(id, ids);
    for (const html of u.toasts || []) toast(html);
    if (u.renew) document.dispatchEvent(new Event("renew"));
    document.title = (u.needs ? "(" + u.needs + ") " : "") + title;
    document.dispatchEvent(new Event("patched"));
    ages();
    says(true);
    pause = firstPause;
    if (!free) { // it has no stream for long
      close();
      later(document.hidden ? lookHidden : lookAgain);
    }
  }
  async function open() {
    close();
    if (ended) return;
    const mine = (turn = {});
    const slot = document.hidden ? null : await takeSlot();
    if (mine !== turn) return slot && slot(); // it was closed meanwhile
    free = slot;
    stream = new EventSource(document.body.dataset.live);
    stream.onmessage = take;
    stream.onerror = async () => {
      close();
      says(false);
      later(pause);
      pause = Math.min(pause * 2, lastPause);
      const status = await fetch("/favicon.ico", { method: "HEAD", cache: "no-store" }).then((r) => r.status, () => 0);
      if (status === 401) location.reload(); // signed out: the page is nobody's any more
      if (status === 421) end();
    };
  }
  // end is called when the console has another name: this page is of no use, but for what somebody typed in it.
  function end() {
    close();
    ended = true;
    says(false, "Over. Run: banger web");
    document.dispatchEvent(new Event("over"));
  }
  function close() {
    clearTimeout(timer);
    turn = null;
    if (stream) stream.close();
    if (free) free();
    stream = free = null;
  }
  function later(ms) { timer = setTimeout(open, ms); }
  // takeSlot returns what frees a slot, or null where none is free. A browser without locks has no bound.
  async function takeSlot() {
    if (!navigator.locks) return () => {};
    for (const name of slots) {
      const got = await new Promise((done) => {
        navigator.locks.request(name, { ifAvailable: true }, (lock) => lock ? new Promise(done) : done(null)).catch(() => done(null));
      });
      if (got) return got;
    }
    return null;
  }

  toasts.addEventListener("click", (e) => { if (e.target.closest("[data-close]")) e.target.closest(".toast").remove(); });

  // ages says again how long ago moments were.
  function ages() {
    for (const t of document.querySelectorAll("time[datetime]")) {
      const s = Math.max(0, Math.floor((Date.now() - Date.parse(t.dateTime)) / 1000)), text = age(s);
      if (t.textContent !== text) t.textContent = text;
    }
  }
  function age(s) {
    const m = Math.floor(s / 60), h = Math.floor(m / 60);
    if (s < 60) return s + " s";
    if (m < 60) return m + " min";
    if (h < 24) return m % 60 ? h + " h " + (m % 60) + " min" : h + " h";
    return Math.floor(h / 24) + " d";
  }
  setInterval(ages, 5000);
  const release = () => setTimeout(() => [...held.values()].forEach(place), 50);
  document.addEventListener("focusout", release);
  document.addEventListener("pointerout", () => { if (held.size) release(); });
  document.addEventListener("toggle", release, true);

  // A page that nobody sees needs no stream: its title says from time to time how many need somebody.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) return open();
    close();
    later(lookHidden);
  });
  addEventListener("pagehide", close);
  document.addEventListener("look", () => { if (!document.hidden) open(); }); // the page shows others than it did
  addEventListener("pageshow", (e) => { if (e.persisted) open(); });
  open();
})();
