import {
  type Brain,
  CannotChoose,
  type Choice,
  type ForceRequest,
  type Playing,
} from "../brain.ts";
import type { BrainParts } from "../parts.ts";
import { diagnose, thrownText } from "../../diagnostics.ts";
import { PRIORITIES } from "../../protocol.ts";
import type { SessionEvent } from "../../session/events.ts";
import { COMMANDS, commandOf } from "./commands.ts";
import { type Dialogue, ForceDialogue, SendDialogue } from "./dialogues.ts";
import { eventLines } from "./events.ts";
import { meantOf, type Order, orderOf } from "./find.ts";
import { questionsFor } from "./questions.ts";
import { Silences, silenceText } from "./silences.ts";
import { cleaned, indented, type Look, lookFor, nameOf, PLAIN, tagged, tagOf } from "./shown.ts";
import { columnsOf, type Listener, openTerminal, type Terminal } from "./terminal.ts";

const LOOK_MS = 500;
/** Lines of what happens that are shown in a second; the rest is counted. */
const MOST_LINES = 60;

const IDLE = "> ";

/**
 * A person at a terminal, or whoever writes to standard input: shows what
 * happens in the games, asks for the actions that they want, and sends others.
 */
export class ConsoleBrain implements Brain {
  readonly name = "console";
  readonly isPerson = true;
  readonly showsGames = true;
  readonly #parts: BrainParts;
  readonly #open: (listener: Listener) => Terminal;
  #terminal: Terminal | null = null;
  #look: Look = PLAIN;
  #hasEnded = false;
  /** What the person is asked. */
  #asked: Dialogue | null = null;
  /** What waits until that is over: the most urgent first, then as it came. */
  readonly #waiting: Dialogue[] = [];
  /** What ends each question for a force without an answer. */
  readonly #refusals = new WeakMap<Dialogue, (why: Error) => void>();
  /** A line that was typed halfway when the person was asked something. */
  #half = "";
  readonly #silences: Silences;
  /** Lines in this second, and those that were not shown. */
  #lines = 0;
  #unshown = 0;
  #stopWatching = () => {};
  #stopLooking = () => {};

  /** @param open opens the terminal; standard input and output when not given */
  constructor(parts: BrainParts, open = openTerminal) {
    this.#parts = parts;
    this.#open = open;
    this.#silences = new Silences(parts.clock);
  }

  get trouble(): string | null {
    return this.#hasEnded ? "standard input has ended, so nobody can choose" : null;
  }

  start(url: string): void {
    const { clock } = this.#parts;
    this.#terminal = this.#open({
      line: (text) => this.#line(text),
      ended: () => this.#ended(),
      complete: (text) => this.#complete(text),
    });
    if (this.#terminal.isLive) this.#look = lookFor(columnsOf, !process.env["NO_COLOR"]);
    this.#say(
      `Games connect to ${url.replace(/\/$/, "")} (most kits take it from NEURO_SDK_WS_URL).`,
      "When a game wants an action, you choose it here. help shows what you can type.",
    );
    this.#prompt();
    const stage = this.#parts.stage();
    for (const playing of stage.games) this.#came(playing, true);
    this.#stopWatching = stage.watch({
      game: (playing, isHere) => this.#came(playing, isHere),
      event: (playing, event) => this.#happened(playing, event),
    });
    let ticks = 0;
    this.#stopLooking = clock.every(LOOK_MS, () => {
      if (++ticks % (1000 / LOOK_MS) === 0) this.#endSecond();
      this.#tellSilent();
    });
    this.#next();
  }

  stop(): void {
    this.#stopWatching();
    this.#stopLooking();
    this.#terminal?.close();
    this.#terminal = null;
  }

  // --- forces

  chooseForceAction(_game: string, force: ForceRequest, playing: Playing): Promise<Choice> {
    const { promise, resolve, reject } = Promise.withResolvers<Choice>();
    if (this.#hasEnded) {
      reject(new CannotChoose(diagnose("nobody_there", {})));
      return promise;
    }
    const dialogue = new ForceDialogue(playing, force, resolve);
    this.#refusals.set(dialogue, reject);
    force.signal.addEventListener("abort", () => {
      reject(new Error("the choice is not wanted any more"));
      this.#drop(dialogue);
    });
    // A force of a game has it act: what the person was about to send cannot be sent now.
    this.#dropSends(playing);
    this.#ask(dialogue);
    return promise;
  }

  /** Puts a question to the person, as soon as those before it are over. */
  #ask(dialogue: Dialogue): void {
    const urgency = ({ priority }: Dialogue) => PRIORITIES.indexOf(priority);
    const at = this.#waiting.findIndex((one) => urgency(one) < urgency(dialogue));
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, dialogue);
    if (this.#asked === null) this.#next();
    else {
      const how = `waits for you too (priority ${dialogue.priority})`;
      this.#tell(dialogue.playing, [this.#look.paint("bold", how)]);
    }
  }

  /** Asks what waits, if nothing is asked. */
  #next(): void {
    // Forces that replace each other all the time wait for the next second.
    if (this.#terminal === null || this.#asked !== null || this.#lines > MOST_LINES) return;
    const dialogue = this.#waiting.shift();
    if (dialogue === undefined) return;
    this.#asked = dialogue;
    const { typed } = this.#terminal;
    if (typed !== "") {
      this.#half = typed;
      this.#terminal.typed = "";
    }
    this.#show(dialogue);
  }

  #show(dialogue: Dialogue): void {
    const lines = tagged(dialogue.playing, dialogue.begin(this.#look), this.#look);
    this.#lines += lines.length;
    this.#print(lines);
    this.#prompt();
  }

  /** A question is not asked any more. */
  #drop(dialogue: Dialogue): void {
    const at = this.#waiting.indexOf(dialogue);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (dialogue === this.#asked) this.#over(true);
  }

  #dropSends(playing: Playing): void {
    const sends = [...this.#waiting, this.#asked].filter(
      (one) => one instanceof SendDialogue && one.playing === playing,
    );
    for (const one of sends) this.#drop(one as Dialogue);
  }

  /** What was asked is over. @param wasDropped what is typed for it is forgotten */
  #over(wasDropped = false): void {
    this.#asked = null;
    const terminal = this.#terminal;
    if (terminal === null) return;
    if (wasDropped && terminal.typed !== "") terminal.typed = "";
    this.#next();
    if (this.#asked !== null) return;
    this.#prompt();
    if (this.#half !== "" && terminal.typed === "") terminal.typed = this.#half;
    this.#half = "";
  }

  // --- what happens

  #came(playing: Playing, isHere: boolean): void {
    if (playing.brain !== this) return;
    if (isHere) {
      this.#silences.heard(playing);
      this.#tell(playing, [this.#look.paint("bold", `is here, from ${playing.address}`)]);
      return;
    }
    this.#silences.gone(playing);
    this.#tell(playing, [this.#look.paint("bold", "has gone")]);
    this.#dropSends(playing);
  }

  #happened(playing: Playing, event: SessionEvent): void {
    if (playing.brain !== this) return;
    this.#silences.heard(playing);
    const lines = eventLines(event, this.#look);
    if (lines !== null) this.#tell(playing, lines);
  }

  /** Shows something of a game, unless there is too much to show. */
  #tell(playing: Playing, lines: readonly string[]): void {
    this.#lines += lines.length;
    if (this.#lines > MOST_LINES) this.#unshown += lines.length;
    else this.#print(tagged(playing, lines, this.#look));
  }

  #endSecond(): void {
    if (this.#unshown > 0) this.#say(`... and ${this.#unshown} more lines in the last second`);
    this.#lines = 0;
    this.#unshown = 0;
    this.#next();
  }

  /** Says which games wait for the person. */
  #tellSilent(): void {
    if (this.#asked !== null || this.#hasEnded) return;
    for (const playing of this.#silences.untold()) this.#tell(playing, [silenceText(playing)]);
  }

  // --- what is typed

  async #line(line: string): Promise<void> {
    try {
      await this.#take(line);
    } catch (error) {
      this.#parts.log.bug(error, "a line at the console");
    }
    this.#prompt();
  }

  async #take(line: string): Promise<void> {
    const dialogue = this.#asked;
    const command = commandOf(line);
    const isMarked = command?.name.startsWith("!") === true;
    if (dialogue !== null && !isMarked) {
      const taken = await dialogue.take(line);
      // It may be over meanwhile: its game has gone.
      if (dialogue !== this.#asked) return;
      if (taken !== null) {
        if (taken.lines.length > 0)
          this.#print(indented(dialogue.playing, taken.lines, this.#look));
        if (taken.isOver) this.#over();
        return;
      }
    }
    if (command !== null) this.#obey(command);
    else if (dialogue !== null) {
      this.#print(indented(dialogue.playing, [dialogue.unknown(line)], this.#look));
    } else if (line.trim() === "") this.#silences.goOn();
    else this.#say(unknownCommand(line));
  }

  #obey({ words, command }: NonNullable<ReturnType<typeof commandOf>>): void {
    const { games } = this.#silences;
    const { show } = command;
    if (show !== null) {
      this.#print(show(words, { stage: this.#parts.stage(), games, look: this.#look }));
      return;
    }
    const order = orderOf(words, games);
    if (typeof order === "string") this.#say(order);
    else this.#send(order);
  }

  #send({ playing, action, json }: Order): void {
    const submit = (data: object | string | undefined) => {
      playing.submitAction(action.name, data).catch((error: unknown) => {
        const why = `${nameOf(action.name)} was not sent: ${thrownText(error)}`;
        this.#tell(playing, [this.#look.paint("red", why)]);
      });
    };
    const questions = json === null ? questionsFor(action) : { data: json };
    if ("trouble" in questions) this.#tell(playing, [this.#look.paint("red", questions.trouble)]);
    else if ("data" in questions) submit(questions.data);
    else {
      // What was asked is asked again afterwards.
      if (this.#asked !== null) this.#waiting.unshift(this.#asked);
      this.#asked = new SendDialogue(playing, questions, submit);
      this.#show(this.#asked);
    }
  }

  #ended(): void {
    this.#hasEnded = true;
    const why =
      "standard input has ended: nobody can choose here, so forces are refused. The server goes on.";
    this.#parts.log.warning(`neuro: ${why}`);
    for (const one of [...this.#waiting, this.#asked]) {
      if (one === null) continue;
      this.#refusals.get(one)?.(new CannotChoose(diagnose("nobody_there", {})));
      this.#drop(one);
    }
  }

  #complete(text: string): readonly string[] {
    const commands = Object.keys(COMMANDS);
    if (this.#asked !== null) {
      return [...this.#asked.words, ...commands.map((name) => `!${name} `), "!back", "!json"];
    }
    const { games } = this.#silences;
    const actions = games.flatMap(({ id, actionNames }) =>
      actionNames.flatMap((name) => [`send ${id} ${name}`, `send ${name}`]),
    );
    return text.startsWith("send ") ? actions : commands.map((name) => `${name} `);
  }

  // --- what is shown

  /** Shows lines that are of no game. */
  #say(...lines: readonly string[]): void {
    this.#print(lines.flatMap((line) => this.#look.fold(line, "  ")));
  }

  #print(lines: readonly string[]): void {
    this.#terminal?.print(lines);
  }

  #prompt(): void {
    const terminal = this.#terminal;
    if (terminal === null || this.#hasEnded) return;
    const asked = this.#asked;
    const idle = terminal.isLive ? IDLE : "";
    terminal.prompt(asked === null ? idle : `${tagOf(asked.playing)} ${asked.prompt}> `);
  }
}

function unknownCommand(line: string): string {
  const word = line.trim().split(/\s/, 1)[0] ?? "";
  if (/^(quit|exit|stop|q)$/i.test(word)) return "Ctrl-C stops the server.";
  const meant = meantOf(word, Object.keys(COMMANDS));
  const hint = meant === undefined ? "help shows what there is." : `Did you mean ${meant}?`;
  return `There is no command ${cleaned(word, 60)}. ${hint}`;
}
