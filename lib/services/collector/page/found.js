// What was found so far: a run of the log without a gap, of which the newest and the oldest end may grow.

/** Entries of an answer. */
const LIMIT = 100;
/** Entries that are kept. */
const MOST = 1000;

export class Found {
  /** The newest first. */
  entries = [];
  /** What is searched for: `text`, `level`, `door`, `from`, and `before` or null. */
  wanted = { text: "", level: "notset", door: "", from: 0, before: null };
  /** All entries from here on, up to `#end`, were looked at; null before the first answer. */
  backTo = null;
  isWhole = false;
  /** The name of a file that nobody looked into. */
  leftOut = null;
  /** True when the newest entries had to go, since so many older ones were asked for. */
  hasDropped = false;
  #end = 0;
  /** What was found is that of an older search, until this one is answered. */
  #isOther = true;
  #view;
  /** Grows with each question that makes the answers to older ones useless. */
  #question = 0;
  #asking = 0;

  constructor(view) {
    this.#view = view;
  }

  get isAsking() {
    return this.#asking > 0;
  }

  /** The number of the newest entry. */
  get newest() {
    return this.entries[0]?.sequence ?? null;
  }

  /** Begins a search. @returns false when another one has begun meanwhile */
  async begin(wanted) {
    this.wanted = wanted;
    this.#question++;
    this.#isOther = true;
    const told = await this.#ask({});
    if (told === null) return false;
    this.#begin(told);
    return true;
  }

  /** Looks for what is newer than all that was looked at. @returns false when a search has begun meanwhile */
  async newer() {
    if (this.#isOther || this.hasDropped) return this.begin(this.wanted);
    const { before, from } = this.wanted;
    if (before !== null && this.#end >= before) return true;
    const end = this.#end;
    const told = await this.#ask({ from: Math.max(from, end) });
    if (told === null) return false;
    if (end !== this.#end) return true;
    // More than an answer holds, or a log that was begun anew: what was shown does not join on.
    if (told.before < end || told.back_to > Math.max(from, end)) {
      this.#begin(told);
      return true;
    }
    this.#end = told.before;
    if (told.entries.length === 0) return true;
    this.entries = [...told.entries, ...this.entries];
    if (this.entries.length > MOST) {
      this.entries.length = MOST;
      this.backTo = this.entries.at(-1).sequence;
      this.isWhole = false;
      this.leftOut = null;
    }
    return true;
  }

  /** Looks for what is older. @returns false when a search has begun meanwhile */
  async older() {
    const { backTo } = this;
    const told = await this.#ask({ before: backTo });
    if (told === null) return false;
    // The oldest ones have gone meanwhile, since so many new ones came.
    if (backTo !== this.backTo) return true;
    this.entries = [...this.entries, ...told.entries];
    if (this.entries.length > MOST) {
      this.entries = this.entries.slice(-MOST);
      this.hasDropped = true;
    }
    this.#reach(told);
    return true;
  }

  #begin(told) {
    this.entries = told.entries;
    this.#end = told.before;
    this.hasDropped = false;
    this.#isOther = false;
    this.#reach(told);
    this.isWhole = told.is_whole;
  }

  #reach({ back_to: backTo, is_whole: isWhole, left_out: leftOut }) {
    this.backTo = backTo;
    this.isWhole = isWhole;
    this.leftOut = leftOut;
  }

  /** @returns null when another question was asked meanwhile */
  async #ask(more) {
    const question = this.#question;
    const { text, level, door, from, before } = this.wanted;
    const query = {
      text,
      level,
      door,
      from,
      limit: LIMIT,
      ...(before === null ? {} : { before }),
      ...more,
    };
    this.#asking++;
    try {
      const told = await this.#view("entries", query);
      return question === this.#question ? told : null;
    } finally {
      this.#asking--;
    }
  }
}
