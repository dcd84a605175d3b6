import type { Config } from "../../../config/table.ts";
import type { Auth } from "../auth.ts";
import type { Channels } from "../channels/channels.ts";
import type { Subscribers } from "../channels/subscribers.ts";
import type { StoreClient } from "../client.ts";
import type { Backups } from "../keys/backups.ts";
import type { Journal } from "../journal/journal.ts";
import { type Path, SYSTEM } from "../keys/path.ts";
import type { VisibleKeys } from "../keys/visible-keys.ts";
import { type Code, Refusal, TOO_LARGE } from "../refusal.ts";
import { FULL, mayAt, type Right, type Role } from "../roles.ts";
import type { Field, Fields, Request } from "./fields.ts";
import { type Doubt, doubt, graver } from "./numbers.ts";

/** The parts of the store that commands act on. */
export interface Parts {
  readonly keys: VisibleKeys;
  readonly channels: Channels<StoreClient>;
  readonly subscribers: Subscribers;
  readonly auth: Auth;
  /** Answers INFO. */
  readonly stats: { info(): Readonly<Record<string, unknown>> };
  readonly backups: Backups<StoreClient>;
  /** What is kept on disk, by its damage; null where nothing is. */
  readonly journal: Pick<Journal, "salvaged" | "acknowledge" | "doubts" | "failing"> | null;
  /** The settings as they are now. */
  readonly settings: Pick<Config, "store">;
}

/** An answer without its braces, as `"result":1`, or a refusal. */
export type Answer = string | Refusal;

/** A row of the command table: validation, HELP and the page of the store are made from it. */
export interface Command {
  /** One sentence. */
  readonly about: string;
  readonly fields: Fields;
  /** Its result, in words. */
  readonly result: string;
  /** Codes it may answer besides those that any request may get. */
  readonly errors: readonly Code[];
  /** The right that a role needs for it; null when it needs none. */
  readonly right: Right | null;
  /** True if it needs no token even where others do. */
  readonly open?: boolean;
  /** True for a request that waits until no expired value is left: it would look at each in one turn, and there may be a million. */
  readonly waits?: (request: Readonly<Record<string, unknown>>) => boolean;
  run(request: Readonly<Record<string, unknown>>, client: StoreClient, parts: Parts): Answer;
}

/** Types a row: its `run` gets a request with the types of its fields. */
export function command<const F extends Fields>(
  row: Omit<Command, "fields" | "run"> & {
    readonly fields: F;
    run(request: Request<F>, client: StoreClient, parts: Parts): Answer;
  },
): Command & { readonly fields: F } {
  return row as unknown as Command & { readonly fields: F };
}

/** The answer with a result that is JSON already. */
export function result(json: string | number | boolean): string {
  return `"result":${json}`;
}

/** The refusal of a value that is longer than half of `outbox_bytes`, since it could not be sent to anybody; or null. */
export function tooLarge(text: string, { settings }: Pick<Parts, "settings">): Refusal | null {
  const most = settings.store.outbox_bytes / 2;
  return 3 * text.length > most && Buffer.byteLength(text) > most ? TOO_LARGE : null;
}

export const OK = result('"OK"');

/** The refusal of an action that a client may not do at a path, or null. */
export function forbidden(
  client: { readonly role: Role | null },
  right: Right,
  path: Path,
): Refusal | null {
  if (path[0] === SYSTEM && (right === "write" || right === "publish")) {
    return new Refusal("RESERVED", `^${SYSTEM} is the server's own; clients can only read it`);
  }
  if (client.role !== null && mayAt(client.role, right, path)) return null;
  return new Refusal("FORBIDDEN", `the role ${client.role?.name} may not ${right} there`);
}

/** The refusal of what takes the token that may do everything, or null. */
export function notFull({ role }: StoreClient): Refusal | null {
  if (role === FULL) return null;
  return new Refusal("FORBIDDEN", `the role ${role?.name} may not do this`);
}

/** Fields, prepared for checking what has them. */
export class Form {
  readonly fields: Readonly<Record<string, Field>>;
  readonly needed: number;

  constructor(fields: Fields) {
    // Without a prototype, no request can name a field such as `toString`.
    this.fields = Object.assign(Object.create(null), fields);
    this.needed = Object.values(fields).filter(({ optional }) => !optional).length;
  }

  /** The refusal of a request that does not fit the fields, or null. */
  check(request: Readonly<Record<string, unknown>>): Refusal | null {
    let needed = 0;
    for (const name in request) {
      const field = this.fields[name];
      if (field === undefined) {
        if (name === "action" || name === "id") continue;
        return new Refusal("UNKNOWN_FIELD", `${name}: ${this.#known()}`);
      }
      if (!field.fits(request[name])) {
        return new Refusal("WRONG_TYPE", `${name}; allowed: ${field.allowed}`);
      }
      if (!field.optional) needed++;
    }
    return needed === this.needed ? null : this.#missing(request);
  }

  #missing(request: Readonly<Record<string, unknown>>): Refusal {
    const names = Object.keys(this.fields).filter((name) => {
      return !this.fields[name]?.optional && !Object.hasOwn(request, name);
    });
    return new Refusal("MISSING_FIELD", names.join(", "));
  }

  #known(): string {
    const names = Object.keys(this.fields);
    return names.length === 0 ? "the action takes no fields" : `allowed: ${names.join(", ")}`;
  }
}

/** A command, prepared for checking its requests. */
export class Plan extends Form {
  readonly command: Command;
  /** Fields that may hold numbers. */
  readonly #open: readonly string[];

  constructor(command: Command) {
    super(command.fields);
    this.command = command;
    const names = Object.keys(command.fields);
    this.#open = names.filter((name) => !command.fields[name]?.numberless);
  }

  /** The doubt about the fields of a request that fit, or null. */
  doubt(request: Readonly<Record<string, unknown>>): Doubt {
    let found: Doubt = null;
    for (const name of this.#open) {
      const value = request[name];
      if (typeof value === "string" || value === undefined) continue;
      const inner = doubt(value);
      if (inner === "depth") return inner;
      found = graver(found, inner);
    }
    return found;
  }
}
