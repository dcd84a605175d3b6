import { decode } from "../codec/decode.ts";
import {
  actionCommand,
  reregisterAllCommand,
  shutdownGracefulCommand,
  shutdownImmediateCommand,
  speechFinishedCommand,
} from "../codec/encode.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { Action, Command, ForceData, ResultData } from "../protocol.ts";

let lastTag = 0;

/** Makes ids that are never given twice in the life of the process. */
export function idMaker(): () => string {
  const tag = `${Date.now().toString(36)}${(++lastTag).toString(36)}`;
  let last = 0;
  return () => `${tag}-${++last}`;
}

export interface ClientOptions {
  /** The game's name, where it is known before the game has said it. */
  readonly game?: string | null;
  /** Gives ids that are never given twice. */
  readonly nextId?: () => string;
  /** Sends the game a text frame. */
  readonly write?: (frame: string) => void;
}

/**
 * What one game says over one connection, and what it is told: gives actions
 * their ids and hands each command to a method of its own. A game may say
 * nothing else for it, so what is not understood is told to `diagnosed` alone.
 */
export class ClientSession {
  /** The game's name; null until the game has said something, where it was not given. */
  game: string | null;
  readonly #nextId: () => string;
  readonly #write: (frame: string) => void;

  constructor({ game = null, nextId = idMaker(), write = () => {} }: ClientOptions = {}) {
    this.game = game;
    this.#nextId = nextId;
    this.#write = write;
  }

  // --- to the game

  /** Sends the game a text frame. */
  protected write(frame: string): void {
    this.#write(frame);
  }

  /** @param data JSON text @param id a new one when not given @returns the id that the result will have */
  sendAction(name: string, data?: string, id = this.nextId()): string {
    this.writeAction(id, name, data);
    return id;
  }

  protected writeAction(id: string, name: string, data: string | undefined): void {
    this.write(actionCommand(id, name, data));
  }

  sendReregisterAll(): void {
    this.write(reregisterAllCommand());
  }

  /** Asks the game to save and leave, or takes that back. The protocol has this as a proposal: never send it unasked. */
  sendShutdownGraceful(wantsShutdown: boolean): void {
    this.write(shutdownGracefulCommand(wantsShutdown));
  }

  sendShutdownImmediate(): void {
    this.write(shutdownImmediateCommand());
  }

  /** @param cancelled why the response was cut short */
  sendSpeechFinished(isFinal: boolean, cancelled?: string): void {
    this.write(speechFinishedCommand(isFinal, cancelled));
  }

  protected nextId(): string {
    return this.#nextId();
  }

  // --- from the game

  /** Takes a frame of a connection that carries this game alone. */
  receive(frame: string | Uint8Array): void {
    const { commands, diagnostics } = decode(frame);
    for (const diagnostic of diagnostics) this.diagnosed(diagnostic);
    for (const command of commands) this.take(command);
  }

  /** Tells the game's developer something. */
  tell(diagnostic: Diagnostic): void {
    this.diagnosed(diagnostic);
  }

  /** Takes a command of this game. */
  take(command: Command): void {
    this.game ??= command.game;
    switch (command.command) {
      case "startup":
        return this.startup();
      case "context":
        return this.context(command.message, command.silent);
      case "actions/register":
        return this.registerActions(command.actions);
      case "actions/unregister":
        return this.unregisterActions(command.names);
      case "actions/force":
        return this.forceActions(command);
      case "action/result":
        return this.actionResult(command);
      case "shutdown/ready":
        return this.shutdownReady();
      case "other":
        return this.unknownCommand(command.name, command.data);
    }
  }

  protected startup(): void {}

  protected context(_message: string, _silent: boolean): void {}

  protected registerActions(_actions: readonly Action[]): void {}

  protected unregisterActions(_names: readonly string[]): void {}

  protected forceActions(_force: ForceData): void {}

  protected actionResult(_result: ResultData): void {}

  protected shutdownReady(): void {}

  /** A command that the protocol does not have, as those of vendors. */
  protected unknownCommand(_name: string, _data: unknown): void {}

  /** Something that the game's developer should know. */
  protected diagnosed(_diagnostic: Diagnostic): void {}
}
