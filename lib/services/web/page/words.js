// Words of the Web panel.

export const GLOSSARY = [
  ["Route", "A built-in path, or “site” for all that your own handler and files answer."],
  ["Event stream", "A connection that stays open, by which a page is told what is new."],
  ["Differences", "Streams that are told what has changed, as this page is."],
  ["Whole ticks", "Streams that are told everything once a second, as scripts ask for it."],
  [
    "Session",
    "A browser that has shown the token. It ends a day after its page was last heard of; where as many are signed in as may be, one more ends the oldest.",
  ],
  ["Ticker", "A module of your own that the server calls again and again."],
];
