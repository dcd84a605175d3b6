// The log: its last lines, which scroll along at the end, and the levels that are shown and written.

import { act } from "./admin.js";
import { $, el, mark } from "./elements.js";
import { allNumbers } from "./numbers.js";
import { follow, here, want } from "./places.js";

const LOG_LINES = 200;

let lastLine;
/** Lines that came and are not shown yet. */
let news = [];
/** The last lines, for whoever looks for something in them. */
let kept = [];
let numbers = null;

export function takeLines(lines) {
  if (lines.length === 0) return;
  lastLine = lines.at(-1);
  news = [...news, ...lines].slice(-LOG_LINES);
  kept = [...kept, ...lines].slice(-LOG_LINES);
}

/** Those of the last lines that hold a text. */
export const linesAbout = (text) => kept.filter((line) => line.includes(text));

/** Takes the lines of a newly opened stream, which sends the last ones again: those after the last known one are new. */
export function takeTail(lines) {
  takeLines(lines.slice(lines.lastIndexOf(lastLine) + 1));
}

/** Puts the log's own numbers below its lines. */
export function makeLog(declared) {
  numbers?.node.remove();
  numbers = allNumbers("log", declared);
  $("log").append(numbers.node);
}

function lineElement(line) {
  const [, at, level, text] = /^(.*?)\b(DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)$/s.exec(line) ?? [];
  if (!level) return el("p", {}, line);
  const name = el("b", { class: "level" }, level.toLowerCase());
  return el("p", { "data-level": level }, el("time", {}, at.trim()), name, el("span", {}, text));
}

/** The text that is searched for, in small letters. */
const searched = () => (here.place === "log" ? (here.query.get("q") ?? "") : "").toLowerCase();

/** Hides the lines that do not hold what is searched for. */
function sift(lines) {
  const text = searched();
  for (const line of lines)
    line.hidden = text !== "" && !line.textContent.toLowerCase().includes(text);
}

const isAtEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;

/** Shows the new lines, the numbers of the log (`told`) and the level that it writes. */
export function showLog(told, level) {
  numbers?.update(told);
  showLines();
  if (document.activeElement !== $("log-level")) $("log-level").value = level;
}

function showLines() {
  if (news.length === 0) return;
  const box = $("lines");
  const follows = isAtEnd(box);
  const added = news.map(lineElement);
  sift(added);
  box.append(...added);
  news = [];
  while (box.childElementCount > LOG_LINES) box.firstElementChild.remove();
  $("no-lines").hidden = true;
  if (follows) box.scrollTop = box.scrollHeight;
}

export function listenToLog() {
  const box = $("lines");
  box.addEventListener("scroll", () => ($("log-end").hidden = isAtEnd(box)), { passive: true });
  $("log-end").addEventListener("click", () => {
    box.scrollTop = box.scrollHeight;
    box.focus();
  });
  $("log-least").addEventListener("change", ({ target }) => {
    mark(box, "data-least", target.value);
    box.scrollTop = box.scrollHeight;
  });
  $("log-level").addEventListener("change", ({ target }) =>
    act("log-level", { level: target.value }),
  );
  $("log-filter").addEventListener("input", ({ target }) => want({ q: target.value.trim() }, true));
  follow(({ place, query }, isNew) => {
    if (place !== "log") return;
    if (document.activeElement !== $("log-filter")) $("log-filter").value = query.get("q") ?? "";
    sift(box.children);
    if (isNew) box.scrollTop = box.scrollHeight;
  });
}
