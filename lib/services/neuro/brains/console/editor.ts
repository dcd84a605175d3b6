/** The line that is typed in a terminal: what keys do to it. It draws nothing. */

/** What typing comes to, besides changes of the line. */
export type Typed =
  | { readonly kind: "line"; readonly text: string }
  /** Ctrl-C, Ctrl-D on an empty line, Ctrl-Z, Ctrl-L. */
  | { readonly kind: "interrupt" | "end" | "suspend" | "clear" };

/** Characters of a line; what is typed beyond them is dropped. */
export const LONGEST_LINE = 65_536;
/** Characters of a key whose end has not come; it is one that nobody knows. */
const LONGEST_KEY = 32;
/** Lines that up and down go through. */
const MOST_REMEMBERED = 100;

// oxlint-disable-next-line no-control-regex -- these are what a terminal sends for keys.
const KEY = /\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[A-Z]|\x1b[^[O]|\x1b(?:\[[0-?]*[ -/]*|O)?$|\r\n|[^]/gu;

export class Editor {
  /** Its characters, one code point each. */
  #line: string[] = [];
  #cursor = 0;
  readonly #before: string[] = [];
  /** Which of the lines before is shown; their number for the one that is typed. */
  #at = 0;
  /** What was typed before up was pressed. */
  #draft: string[] = [];
  /** The beginning of a key that has not come whole. */
  #rest = "";

  get text(): string {
    return this.#line.join("");
  }

  get characters(): readonly string[] {
    return this.#line;
  }

  get cursor(): number {
    return this.#cursor;
  }

  /** Replaces what is typed. */
  set text(text: string) {
    this.#put([...text]);
  }

  /** Takes what a terminal has sent. @param complete gives the ends that the line so far may have */
  take(chunk: string, complete: (text: string) => readonly string[] = () => []): Typed[] {
    const typed: Typed[] = [];
    // What is inserted is gathered: a long text that is pasted costs once.
    let insert: string[] = [];
    const flush = () => {
      const room = Math.max(0, LONGEST_LINE - this.#line.length);
      const taken = insert.slice(0, room);
      const after = this.#line.slice(this.#cursor);
      this.#line = [...this.#line.slice(0, this.#cursor), ...taken, ...after];
      this.#cursor += taken.length;
      insert = [];
    };
    const keys = (this.#rest + chunk).match(KEY) ?? [];
    this.#rest = "";
    for (const [i, key] of keys.entries()) {
      if (isPrinted(key)) {
        insert.push(key);
        continue;
      }
      flush();
      if (isUnfinished(key) && i === keys.length - 1) this.#rest = key.slice(0, LONGEST_KEY);
      else if (key === "\t") this.#complete(complete);
      else typed.push(...this.#press(key));
    }
    flush();
    return typed;
  }

  #press(key: string): Typed[] {
    switch (key) {
      case "\r":
      case "\n":
      case "\r\n":
        return [this.#entered()];
      case "\x03":
        return [{ kind: "interrupt" }];
      case "\x04":
        if (this.#line.length === 0) return [{ kind: "end" }];
        this.#remove(this.#cursor, this.#cursor + 1);
        break;
      case "\x1a":
        return [{ kind: "suspend" }];
      case "\x0c":
        return [{ kind: "clear" }];
      case "\x7f":
      case "\b":
        this.#remove(this.#cursor - 1, this.#cursor);
        break;
      case "\x1b[3~":
        this.#remove(this.#cursor, this.#cursor + 1);
        break;
      case "\x15":
        this.#remove(0, this.#cursor);
        break;
      case "\x0b":
        this.#remove(this.#cursor, this.#line.length);
        break;
      case "\x17":
        this.#remove(this.#wordBefore(), this.#cursor);
        break;
      default:
        this.#move(key);
    }
    return [];
  }

  #move(key: string): void {
    const last = this.#line.length;
    const letter = key.startsWith("\x1b") ? key.slice(2).replace(/^1;\d/, "") : "";
    if (key === "\x01" || letter === "H" || letter === "1~") this.#cursor = 0;
    else if (key === "\x05" || letter === "F" || letter === "4~") this.#cursor = last;
    else if (key === "\x02" || letter === "D") this.#cursor = Math.max(0, this.#cursor - 1);
    else if (key === "\x06" || letter === "C") this.#cursor = Math.min(last, this.#cursor + 1);
    else if (key === "\x10" || letter === "A") this.#recall(this.#at - 1);
    else if (key === "\x0e" || letter === "B") this.#recall(this.#at + 1);
  }

  #entered(): Typed {
    const { text } = this;
    if (text.trim() !== "" && text !== this.#before.at(-1)) this.#before.push(text);
    if (this.#before.length > MOST_REMEMBERED) this.#before.shift();
    this.#put([]);
    return { kind: "line", text };
  }

  #recall(at: number): void {
    if (at < 0 || at > this.#before.length) return;
    if (this.#at === this.#before.length) this.#draft = this.#line;
    const line = at === this.#before.length ? this.#draft : [...(this.#before[at] as string)];
    const draft = this.#draft;
    this.#put(line);
    this.#draft = draft;
    this.#at = at;
  }

  #put(line: string[]): void {
    this.#line = line.slice(0, LONGEST_LINE);
    this.#cursor = this.#line.length;
    this.#at = this.#before.length;
    this.#draft = [];
  }

  #remove(from: number, to: number): void {
    const start = Math.max(0, from);
    this.#line.splice(start, Math.max(0, to - start));
    this.#cursor = start;
  }

  #wordBefore(): number {
    let at = this.#cursor;
    while (at > 0 && this.#line[at - 1] === " ") at--;
    while (at > 0 && this.#line[at - 1] !== " ") at--;
    return at;
  }

  /** Completes the line as far as all that fits agrees. */
  #complete(complete: (text: string) => readonly string[]): void {
    if (this.#cursor < this.#line.length) return;
    const { text } = this;
    const [first, ...others] = complete(text).filter((one) => one.startsWith(text));
    if (first === undefined) return;
    let length = first.length;
    for (const other of others) while (!other.startsWith(first.slice(0, length))) length--;
    if (length > text.length) this.#put(Array.from(first.slice(0, length)));
  }
}

function isPrinted(key: string): boolean {
  const code = key.codePointAt(0) as number;
  // C1 controls and halves of surrogate pairs are no text.
  return code >= 0x20 && code !== 0x7f && (code < 0x80 || code > 0x9f) && !isHalf(code);
}

function isHalf(code: number): boolean {
  return code >= 0xd800 && code <= 0xdfff;
}

/** True if more of a key may follow. */
function isUnfinished(key: string): boolean {
  return key.startsWith("\x1b") && /^.(?:\[[0-?]*[ -/]*|O)?$/.test(key);
}
