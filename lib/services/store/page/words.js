// Words and sentences of the Store panel.

/** When changes are on disk. */
export const DURABILITIES = {
  none: "never: a stop forgets everything",
  batch: "within milliseconds of the answer",
  always: "before the answer leaves",
};

export const GLOSSARY = [
  [
    "Key",
    "A name with a value. Its parts are set apart by ^, and what shares its first parts is a namespace.",
  ],
  [
    "Hit, miss",
    "A read of a key that is there, and of one that is not. A miss is an answer; nothing is refused.",
  ],
  ["Refused", "A request that was not carried out. Its answer has a code that says why."],
  ["Memory", "What names and values take together, with all that is kept to find them."],
  ["Journal", "The changes since the last snapshot, in the order in which they were made."],
  ["Snapshot", "All keys in one file. It takes the place of the journal before it."],
  [
    "Channel",
    "A name that messages go to. Who subscribes to a pattern, as orders^*, gets those of all channels below it.",
  ],
];
