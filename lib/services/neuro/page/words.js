// Words and sentences of the Neuro page.

/** What a priority has the character do. */
export const PRIORITIES = {
  low: "low priority: waits until nothing is being said",
  medium: "medium priority: the sentence that is being said is finished first",
  high: "high priority: what is being said is cut short",
  critical: "critical priority: what is being said is broken off at once",
};

/** How a force or an action ended, in words. */
export const ENDS = {
  succeeded: "succeeded",
  failed: "failed",
  timed_out: "no result in time",
  replaced: "replaced by another force",
  cancelled: "cancelled",
};

/** Why a force was cancelled. */
export const REASONS = {
  disconnect: "the game left",
  startup: "the game began anew",
  unregistration: "its actions are gone",
  schemas: "none of its schemas can be met",
  brain: "the brain did not choose",
  "choice timeout": "the brain took too long",
  shutdown: "the server stopped",
};

export const GLOSSARY = [
  ["Game", "A program that is connected here. It tells what happens in it and what can be done."],
  ["Brain", "Who plays: a person at this page, a language model, chance or a script."],
  [
    "Action",
    "Something the brain may do in the game, with data in a form that the game prescribes.",
  ],
  ["Force", "The game asks for one of some actions now. Without a force, the brain need not act."],
  ["Priority", "How urgent a force is: whether it waits for what is being said, or cuts it short."],
  ["Context", "What the game has told. The brain reads it before it chooses."],
  ["Silent", "A context that is only to be remembered: nobody answers it."],
  ["Ephemeral", "State and query of this force are forgotten once it has ended."],
  [
    "Result",
    "The game says whether an action was valid. After a failure, the force is chosen for again.",
  ],
];
