/** What is asked of the person at the bottom of the screen; it takes all keys while it is there. */
export interface Prompt {
  readonly text: string;
  /** @returns false when it is over */
  press(key: string): boolean;
}

/** Most characters of an answer. */
const MOST = 200;

/** Asks for a line. */
export class LinePrompt implements Prompt {
  readonly #label: string;
  readonly #isSecret: boolean;
  readonly #answer: (text: string | null) => void;
  #typed: string;

  /** @param answer gets the line, or null when the person would rather not */
  constructor(
    label: string,
    answer: (text: string | null) => void,
    { typed = "", isSecret = false } = {},
  ) {
    this.#label = label;
    this.#answer = answer;
    this.#typed = typed;
    this.#isSecret = isSecret;
  }

  get text(): string {
    const shown = this.#isSecret ? "*".repeat(this.#typed.length) : this.#typed;
    return `${this.#label}: ${shown}_`;
  }

  press(key: string): boolean {
    switch (key) {
      case "\r":
      case "\n":
        this.#answer(this.#typed);
        return false;
      case "\x1b":
        this.#answer(null);
        return false;
      case "\x7f":
      case "\b":
        this.#typed = this.#typed.slice(0, -1);
        return true;
      case "\x15":
        this.#typed = "";
        return true;
      default:
        if (/^[!-~]$/.test(key) && this.#typed.length < MOST) this.#typed += key;
        return true;
    }
  }
}

/** Asks a question that some keys answer; any other key is a no. */
export class Question implements Prompt {
  readonly text: string;
  readonly #answers: Readonly<Record<string, () => void>>;

  constructor(text: string, answers: Readonly<Record<string, () => void>>) {
    this.text = text;
    this.#answers = answers;
  }

  press(key: string): boolean {
    if (Object.hasOwn(this.#answers, key)) this.#answers[key]?.();
    return false;
  }
}

/** The keys, and what each does. */
export const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ["↑ ↓ Home End", "move over the clients"],
  ["[ ] PgUp PgDn", "page before, page after"],
  ["← → s S", "sort by another column"],
  ["r", "reverse the order"],
  ["/", "filter by address"],
  ["k, q", "kick, quarantine; asks"],
  ["K", "kick a client of another node"],
  ["Esc", "close, clear the filter"],
  ["?", "these keys"],
  ["x, Ctrl-C", "quit"],
];

// oxlint-disable-next-line no-control-regex -- keys other than letters come as such sequences.
const KEY = /\x1b\[[\d;]*[A-Za-z~]|\x1bO[A-Za-z]|[^]/gu;
/** Other ways to say the same, in terminals of other kinds. */
const SAME: Readonly<Record<string, string>> = {
  "\x1b[1~": "\x1b[H",
  "\x1b[4~": "\x1b[F",
  "\x1b[7~": "\x1b[H",
  "\x1b[8~": "\x1b[F",
};

/** The keys in what a terminal sent: fast typing brings several at once. */
export function keysIn(bytes: Buffer): string[] {
  return [...bytes.toString().matchAll(KEY)].map(([key]) => {
    return SAME[key] ?? key.replace("\x1bO", "\x1b[");
  });
}
