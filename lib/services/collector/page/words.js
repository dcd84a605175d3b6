// Words and sentences of the Collector panel.

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
  [
    "Door",
    "One of the ways by which programs send their logs here, each at a port of its own. It is remembered of the newest million entries, since the server started.",
  ],
  ["Entry", "One record of a log, as it stands in the file. All entries have one row of numbers."],
  ["Waiting", "What was taken and is not written yet. Beyond its bounds, senders are not read."],
  ["Refused", "Messages that were no records, were too long, or came from who may not send."],
  ["Rotated", "A file that was full and put aside. The oldest go when there are too many."],
  [
    "Chain",
    "Each line ends in a hash over all before it. Noted down elsewhere, the last one proves later that nothing was changed.",
  ],
];
