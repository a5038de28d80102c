// The terminal of a session: xterm.js at one end of a WebSocket.
import { Terminal } from "./xterm.mjs";
import { FitAddon } from "./addon-fit.mjs";

// xterm.js makes <style> elements and style attributes, which the page's policy forbids. On this page a new <style> is a constructed
// style sheet, and the style attribute of a new <span> is set by the object model.
document.createElement = element;
function element(tag, options) {
  if (tag === "style") return styleElement();
  const made = Document.prototype.createElement.call(document, tag, options);
  if (tag === "span") made.setAttribute = (name, value) => {
    if (name === "style") made.style.cssText = value;
    else Element.prototype.setAttribute.call(made, name, value);
  };
  return made;
}
function styleElement() {
  const stand = Document.prototype.createElement.call(document, "meta"), sheet = new CSSStyleSheet();
  let text = "";
  Object.defineProperty(stand, "textContent", { get: () => text, set: (css) => sheet.replaceSync((text = css)) });
  stand.remove = () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => s !== sheet);
    Element.prototype.remove.call(stand);
  };
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return stand;
}

const section = document.getElementById("term"), screen = document.getElementById("term-screen");
const says = document.getElementById("term-says"), now = document.getElementById("term-now"), sizeText = document.getElementById("term-size");
const readOnly = "readOnly" in section.dataset;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const term = new Terminal({
  scrollback: 5000, disableStdin: readOnly, fontFamily: color("--mono") || "monospace", fontSize: 13, lineHeight: 1.2,
  theme: { background: color("--term"), foreground: color("--term-ink"), cursor: color("--term-ink") },
  linkHandler: { activate() {} }, // output leads nowhere
});
const fit = new FitAddon();
term.loadAddon(fit);
term.open(screen);
term.textarea.tabIndex = -1; // the screen is the stop, and Tab passes by
const rest = readOnly ? "Read-only." : "Press Enter to type in it, ctrl-] to leave. Tab passes by.";

// Enter or a click enters, ctrl-] leaves.
const enter = () => { if (!readOnly) term.focus(); };
const leave = () => { term.blur(); screen.focus(); };
screen.addEventListener("keydown", (e) => {
  if (e.target !== screen || e.key !== "Enter") return;
  e.preventDefault();
  enter();
});
screen.addEventListener("click", enter);
term.attachCustomKeyEventHandler((e) => {
  if (!(e.ctrlKey && e.key === "]")) return true;
  e.preventDefault();
  if (e.type === "keydown") leave();
  return false;
});
term.textarea.addEventListener("focus", () => { section.classList.add("entered"); if (standing) say("Press ctrl-] to leave."); });
term.textarea.addEventListener("blur", () => { section.classList.remove("entered"); if (standing) say(rest); });

const encoder = new TextEncoder();
const bytesOf = { esc: "\x1b", tab: "\t", w: "\x17", t: "\x14", n: "\x0e" };
for (const button of section.querySelectorAll("[data-key]")) {
  button.addEventListener("click", () => { send(encoder.encode(bytesOf[button.dataset.key])); enter(); });
}

let socket = null, standing = false, over = false, tty = true, pause = 500, timer = 0;
const offset = { 1: null, 2: null };
const send = (data) => { if (standing && socket.readyState === WebSocket.OPEN && !readOnly) for (let i = 0; i < data.length; i += 32768) socket.send(data.subarray(i, i + 32768)); };
const tell = (message) => { if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
const say = (text) => { if (says.textContent !== text) says.textContent = text; };
term.onData((text) => send(encoder.encode(text)));
term.onBinary((text) => send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
term.onResize(({ cols, rows }) => { showSize(); if (!readOnly) tell({ rows, cols }); });
const showSize = () => { sizeText.textContent = (tty ? "tty, " : "pipe, ") + term.cols + " × " + term.rows; };
new ResizeObserver(() => fit.fit()).observe(screen);
fit.fit();

function connect() {
  clearTimeout(timer);
  now.hidden = true;
  const query = new URLSearchParams({ rows: term.rows, cols: term.cols });
  if (offset[1] !== null) { query.set("stdout", offset[1]); query.set("stderr", offset[2]); }
  const path = section.dataset.attach;
  socket = new WebSocket(path + (path.includes("?") ? "&" : "?") + query);
  socket.binaryType = "arraybuffer";
  socket.onmessage = (e) => (typeof e.data === "string" ? heard(JSON.parse(e.data)) : output(new Uint8Array(e.data)));
  socket.onclose = () => { standing = false; if (!over) again(); };
}
function output(data) {
  const stream = data[0], bytes = data.subarray(1);
  offset[stream] += bytes.length;
  term.write(bytes, () => tell({ drawn: bytes.length }));
}
function heard(m) {
  if (m.type === "greeted") {
    standing = true;
    pause = 500;
    section.classList.remove("lost");
    tty = m.tty;
    term.options.convertEol = !tty;
    offset[1] = m.stdout;
    offset[2] = m.stderr;
    if (m.modes) term.write(Uint8Array.from(atob(m.modes), (c) => c.charCodeAt(0)));
    showSize();
    say(section.classList.contains("entered") ? "Press ctrl-] to leave." : rest);
  } else if (m.type === "lost") term.write("\r\n[" + m.bytes + " bytes are no longer kept]\r\n");
  else if (m.type === "broken") { section.classList.add("lost"); say("Connection lost, trying again. The session goes on."); }
  else if (m.type === "ended" || m.type === "refused") {
    over = true;
    term.options.disableStdin = true;
    section.classList.toggle("lost", m.type === "refused");
    say(m.message + (m.hint ? " " + m.hint : ""));
    now.hidden = m.type !== "refused";
  }
}
function again() {
  section.classList.add("lost");
  say("Connection lost, trying again. The session goes on.");
  now.hidden = false;
  timer = setTimeout(connect, pause);
  pause = Math.min(pause * 2, 5000);
}
document.addEventListener("over", () => {
  over = true;
  clearTimeout(timer);
  say("Signed out. The session goes on: run banger web.");
  now.hidden = true;
});
now.addEventListener("click", () => { over = false; term.options.disableStdin = readOnly; connect(); });
addEventListener("pagehide", () => { over = true; if (socket) socket.close(); });
connect();
