// Text and elements. All that comes from processes goes through visible(), into text
// nodes: nothing is ever read as HTML.

const TYPES = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

const TITLES = {
  cgroup: "Cgroup namespace",
  ipc: "IPC namespace",
  mnt: "Mount namespace",
  net: "Network namespace",
  pid: "PID namespace",
  time: "Time namespace",
  user: "User namespace",
  uts: "UTS namespace",
};

const PLAIN = /^[\x20-\x7e]*$/;
const LONE = /\p{Cs}/gu;
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function visible(text) {
  if (PLAIN.test(text)) return text;
  return text.replace(LONE, "\uFFFD").replace(HIDDEN, escaped);
}

// As Python writes it: a picture of it may be in no font.
function escaped(character) {
  const short = { "\t": "\\t", "\n": "\\n", "\r": "\\r" }[character];
  const digits = character.codePointAt(0).toString(16);
  if (short || digits.length <= 2) return short ?? `\\x${digits.padStart(2, "0")}`;
  if (digits.length <= 4) return `\\u${digits.padStart(4, "0")}`;
  return `\\U${digits.padStart(8, "0")}`;
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, length)}\u2026` : text;
}

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : visible(String(value)));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : textNode(child)));
}

function textNode(value) {
  return document.createTextNode(visible(String(value)));
}

function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
}

function byId(id) {
  return document.getElementById(id);
}

const NUMBERS = new Intl.NumberFormat("en");

function count(number, noun, nouns = `${noun}s`) {
  return `${NUMBERS.format(number)} ${number === 1 ? noun : nouns}`;
}

function uptime(ticks) {
  // USER_HZ, which is 100 on all but one architecture.
  const seconds = Math.floor(ticks / 100);
  const parts = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([number]) => number);
  if (first < 0) return "0 s";
  const told = parts.slice(first, first + 2);
  return told.map(([number, unit]) => `${number} ${unit}`).join(" ");
}

// Quoted as a shell would have it, so that one sees where an argument ends.
function quoted(argument) {
  const shown = visible(argument);
  if (/^[\w@%+=:,./-]+$/.test(shown)) return shown;
  return `'${shown.replaceAll("'", "'\\''")}'`;
}

function commandOf(process) {
  return process.arguments.map(quoted).join(" ");
}
