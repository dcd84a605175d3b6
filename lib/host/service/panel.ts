/**
 * The panel of a service: what it shows on the operator's page, and what it
 * lets be done there. Whoever serves the page finds it in `Running.panel` and
 * serves all of it under the service's name, with the rights and the limits
 * that the page's own routes have; lib/README.md has an example.
 */
export interface Panel {
  /** Its heading. */
  readonly title: string;
  /**
   * Texts by name, embedded in the program: modules (`*.js`), of which
   * `panel.js` is loaded first and exports `mount(node, page)`, and styles
   * (`*.css`), all of which are linked. They hold no facts about the server,
   * for anybody may load them: the page has to show a form to sign in.
   */
  readonly files: Readonly<Record<string, string>>;
  /** The names of the service's tables that the panel shows itself: the page leaves them out. */
  readonly tables?: readonly string[];
  /** The titles of groups of the service's numbers that the panel shows itself, as for the tables. */
  readonly groups?: readonly string[];
  readonly views: Readonly<Record<string, View>>;
  readonly acts: Readonly<Record<string, Act>>;
  /**
   * A number that has grown when a view may show something else than before.
   * It is looked at four times a second at most while a page is open, and
   * the page fetches its views again.
   */
  changes(): number;
}

/** A question of the page, for whoever may read the state of the program unless it is private. */
export interface View {
  /** One sentence for the reference. */
  readonly about: string;
  /** The parameters of its query, each with its meaning or its allowed values. Others are refused. */
  readonly parameters: Readonly<Record<string, string>>;
  /** True while it is for operators alone: it shows what not everybody may see who reads the state of the program. */
  isPrivate?(): boolean;
  /**
   * Answers with what becomes JSON. It changes nothing, and its size has a
   * bound, whatever clients have sent: long texts are cut, and say so.
   * @param query of each parameter the first value; those that are not given are not in it
   * Where it has to ask another thread, it answers with a promise.
   * @throws Refused when it cannot answer
   */
  read(query: Readonly<Record<string, string>>): unknown;
}

/** An order of the page, for operators alone. It is logged with who did it, and its outcome. */
export interface Act {
  /** One sentence for the reference. */
  readonly about: string;
  /** The fields of its body, each with its meaning or its allowed values. Others are refused. */
  readonly fields: Readonly<Record<string, string>>;
  /**
   * Does it. Whoever acts waits for it, so it takes seconds at most.
   * @throws Refused when it cannot be done; nothing has been done then
   */
  run(fields: Readonly<Record<string, unknown>>): Done | Promise<Done>;
}

/** The outcome of an act. */
export interface Done {
  /** A sentence about the effect, printable and short, for the page and the log. */
  readonly outcome: string;
  /** More for the page, that becomes JSON. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** Something cannot be answered or done; the message is the reason, printable and short. */
export class Refused extends Error {
  /** The status of the answer: wrongly asked, not there, not now. */
  readonly status: 400 | 404 | 409;
  /** More for the page, that becomes JSON. */
  readonly more: Readonly<Record<string, unknown>>;

  constructor(
    status: 400 | 404 | 409,
    message: string,
    more: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.status = status;
    this.more = more;
  }
}
