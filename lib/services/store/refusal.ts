/** Every code that an answer of the store may carry, with its cause. */
export const CODES = {
  MALFORMED: "The line is not JSON in valid UTF-8.",
  BAD_REQUEST: "The line is JSON, but no object with a text as its action.",
  TOO_LONG: "The line is longer than max_line_bytes.",
  TOO_DEEP: "A value is nested deeper than 128 levels.",
  UNKNOWN_ACTION: "There is no such action.",
  MISSING_FIELD: "A field that the action needs is not there.",
  UNKNOWN_FIELD: "The action has no such field.",
  WRONG_TYPE: "A field is not of its type, or out of its range.",
  NUMBER_RANGE:
    "A number would not come back as it was: an integer that a double alters, however it is written, one beyond the range of doubles, a fraction of more than 17 digits, or -0.",
  BAD_KEY: "A key, namespace or channel is not well formed.",
  RESERVED: "Clients can only read below ^sys.",
  AUTH_REQUIRED: "The server wants AUTH first.",
  FORBIDDEN: "The role may not do this there.",
  BAD_TOKEN: "AUTH with a token that nobody has.",
  TOO_MANY_TRIES: "Too many wrong tokens came from this address; try again later.",
  NOT_FOUND: "There is no such key.",
  ALREADY_EXISTS: "SET with if_absent found a value.",
  VERSION_MISMATCH: "if_version is not the version of the value.",
  NOT_A_NUMBER: "INCR found a value that is no integer.",
  TOO_LARGE: "The answer would be longer than outbox_bytes, or the value longer than half of that.",
  TOO_MANY:
    "The client would have more subscriptions or patterns than it may, or the server more backups under way.",
  NO_BACKUP:
    "The client has no backup under way: it has begun none, or fell behind the changes by more than outbox_bytes; begin again.",
  MEMORY_FULL: "The value does not fit into max_memory_bytes any more.",
  DISK_FULL: "The journal has no room on its disk at present; reading goes on.",
  DISK_FAILING:
    "The disk refuses the journal for another reason: changes are refused, and what was changed last can only be read once it is known to be on disk.",
} as const;

export type Code = keyof typeof CODES;

/** The reason why a request is not carried out. It is the answer, and the connection stays open. */
export class Refusal {
  readonly code: Code;
  readonly message: string;
  /** The answer without its braces. */
  readonly body: string;

  constructor(code: Code, message: string) {
    this.code = code;
    this.message = message;
    this.body = `"error":${JSON.stringify({ code, message })}`;
  }
}

/** The same refusal, of one of several changes. */
export function refusalAt(index: number, { code, message }: Refusal): Refusal {
  return new Refusal(code, `writes[${index}]: ${message}`);
}

export const NOT_FOUND = new Refusal("NOT_FOUND", "there is no such key");
export const MEMORY_FULL = new Refusal("MEMORY_FULL", "the server's memory for keys is full");
export const DISK_FULL = new Refusal("DISK_FULL", "the server's disk is full");
export const DISK_FAILING = new Refusal("DISK_FAILING", "the server's disk fails");
export const TOO_LARGE = new Refusal("TOO_LARGE", "more than the server can send at once");
export const TOO_DEEP = new Refusal("TOO_DEEP", "the line holds a value that is nested too deep");
