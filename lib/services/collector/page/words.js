// Words and sentences of the Collector panel.

import { count } from "../../../host/page/numbers.js";

/** `12.3 kB`, `64 MB`. */
export function bytes(value) {
  const step = value < 999.5 ? 0 : Math.min(4, Math.floor(Math.log10(value * 1.0005) / 3));
  const size = value / 1000 ** step;
  const digits = step === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${size.toFixed(digits)} ${["", "k", "M", "G", "T"][step]}B`;
}

/** A number per second: `0/s`, `0.4/s`, `2,722/s`. */
export const rate = (value) =>
  `${value > 0 && value < 9.95 ? value.toFixed(1) : count(Math.round(value))}/s`;

/** When entries are on disk. */
export const DURABILITIES = {
  none: "what is written is on disk when the system likes",
  batch: "what is written is on disk within milliseconds",
  always: "an entry is on disk before its sender hears of it",
};

/** The least levels to choose from, with the names that the server knows. */
export const LEVELS = [
  ["notset", "all"],
  ["debug", "debug"],
  ["info", "info"],
  ["report", "report"],
  ["warning", "warning"],
  ["error", "error"],
  ["critical", "critical"],
];

export const GLOSSARY = [
  ["Door", "One of the ways by which programs send their logs here, each at a port of its own."],
  ["Entry", "One record of a log, as it stands in the file. All entries have one row of numbers."],
  ["Waiting", "What was taken and is not written yet. Beyond its bounds, senders are not read."],
  ["Refused", "Messages that were no records, were too long, or came from who may not send."],
  ["Rotated", "A file that was full and put aside. The oldest go when there are too many."],
  [
    "Chain",
    "Each line ends in a hash over all before it. Noted down elsewhere, the last one proves later that nothing was changed.",
  ],
];
