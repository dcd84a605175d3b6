import type { Action } from "../../protocol.ts";
import type { ReadStep } from "../file/format.ts";
import { Failed, type Playthrough } from "./playthrough.ts";
import type { AnswerOptions, Met, ScenarioGame, SendOptions } from "../file/scenario.ts";
import { readStep } from "../file/step.ts";

/** The game in the hands of a scenario's function. Its steps are done one after the other, awaited or not. */
export class GameInHand implements ScenarioGame {
  readonly #play: Playthrough;
  readonly #do: (step: ReadStep) => Promise<unknown>;
  #last: Promise<unknown> = Promise.resolve();
  #over: Failed | null = null;

  /** @param perform does a step, and notes what becomes of it */
  constructor(play: Playthrough, perform: (step: ReadStep) => Promise<unknown>) {
    this.#play = play;
    this.#do = perform;
  }

  get name(): string {
    return this.#play.name ?? "";
  }

  get actions(): readonly Action[] {
    return this.#play.playing?.actions ?? [];
  }

  expect<E extends keyof Met>(what: E, more: object = {}): Promise<Met[E]> {
    return this.#step({ expect: what, ...more }) as Promise<Met[E]>;
  }

  async answer(answer: string, data?: object | string, options: AnswerOptions = {}) {
    await this.#step({ answer, ...(data === undefined ? {} : { data }), ...options });
  }

  async send(send: string, data?: object | string, options: SendOptions = {}) {
    await this.#step({ send, ...(data === undefined ? {} : { data }), ...options });
  }

  async say(say: string) {
    await this.#step({ say });
  }

  async ask(ask: string) {
    await this.#step({ ask });
  }

  async disconnect(disconnect = "cleanly") {
    await this.#step({ disconnect });
  }

  async wait(wait: number) {
    await this.#step({ wait });
  }

  /** Waits for all that was asked for. @throws Failed the first failure, even when the function has caught it */
  async settled(): Promise<void> {
    for (let last: unknown = null; last !== this.#last;) {
      last = this.#last;
      await this.#last.catch(() => {});
    }
    if (this.#over !== null) throw this.#over;
  }

  /** Nothing more is done. */
  end(why: Failed): void {
    this.#over ??= why;
  }

  #step(values: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { file } = this.#play.plan;
    const read = readStep({ name: file, values }, file);
    const done = this.#last
      .catch(() => {})
      .then(async () => {
        if (this.#over !== null) throw this.#over;
        try {
          if (!("name" in read)) throw new Failed(read.map(({ message }) => message).join("; "));
          return await this.#do(read);
        } catch (error) {
          this.#over ??= error instanceof Failed ? error : null;
          throw error;
        }
      });
    // One that the function does not wait for is told of by `settled`.
    done.catch(() => {});
    this.#last = done;
    return done;
  }
}
