import { readFileSync } from "node:fs";
import { problemText } from "../../config/load.ts";
import { list, section, text } from "../../config/option.ts";
import { parseLayer, readTable } from "../../config/read.ts";
import { reasonOf } from "../../config/reason.ts";
import type { Config } from "../../config/table.ts";
import { StartError } from "../../host/errors.ts";
import { digest, TOKEN_LENGTH, tokenIn } from "../../net/token.ts";
import { type Path, partsOf, unfit } from "./path.ts";

/** What a role may do below its prefixes. */
export const RIGHTS = ["read", "write", "publish", "subscribe"] as const;
export type Right = (typeof RIGHTS)[number];

/** What a client may do where. */
export interface Role extends Readonly<Record<Right, readonly Path[]>> {
  readonly name: string;
}

const EVERYWHERE: readonly Path[] = [[]];

/** May do everything: the token of `token_file`, and everybody where there are no tokens. */
export const FULL: Role = {
  name: "all",
  read: EVERYWHERE,
  write: EVERYWHERE,
  publish: EVERYWHERE,
  subscribe: EVERYWHERE,
};

/** Whether a role has a right at a path, and so below it. */
export function mayAt(role: Role, right: Right, path: Path): boolean {
  if (role === FULL) return true;
  return role[right].some((prefix) => prefix.every((part, i) => path[i] === part));
}

/** Every role by its token. */
export class Roles {
  readonly #byDigest = new Map<string, Role>();

  /**
   * @param settings of the store
   * @throws StartError when a file cannot be used, with every problem of it
   */
  constructor({ token_file: file, roles_file: path }: Config["store"]) {
    if (file !== "") this.#add(tokenIn(file, "store: store.token_file"), FULL);
    if (path === "") return;
    for (const { token, ...role } of readRoles(path)) this.#add(token, role);
  }

  /** Whether nobody has a token, so that everybody may do everything. */
  get open(): boolean {
    return this.#byDigest.size === 0;
  }

  /** The role of a token, by its digest in hex. */
  find(hex: string): Role | undefined {
    // Looking a digest up tells by its time at most of digests, which tell nothing of tokens.
    return this.#byDigest.get(hex);
  }

  #add(token: string, role: Role): void {
    const hex = digest(token).toString("hex");
    if (this.#byDigest.has(hex)) {
      throw new StartError(`store: ${role.name} has a token that another role has too`);
    }
    this.#byDigest.set(hex, role);
  }
}

const isPrefix = (found: string) => partsOf(found).length === 0 || unfit(partsOf(found)) === null;

function prefixes(about: string) {
  return list(
    about,
    'a list of prefixes, as ["^users", "^orders^eu"]; "^" is everything',
    isPrefix,
  );
}

const ROLE = section("A role: who has its token may do this.", {
  token: text("", "The token.", {
    secret: true,
    check: (found) => (found.length >= TOKEN_LENGTH ? null : "too short"),
    allowed: `text of at least ${TOKEN_LENGTH} characters`,
  }),
  read: prefixes("Keys it may read and watch: these and all below."),
  write: prefixes("Keys it may change."),
  publish: prefixes("Channels it may publish on."),
  subscribe: prefixes("Channels it may subscribe to."),
});

function readRoles(path: string): (Role & { token: string })[] {
  const fail = (problems: readonly string[]) => new StartError(problems.join("\n"));
  let content: string;
  try {
    content = readFileSync(path, "utf8");
  } catch (error) {
    throw fail([`store: store.roles_file: cannot read ${path}: ${reasonOf(error)}`]);
  }
  const layer = parseLayer(path, content);
  if ("message" in layer) throw fail([problemText(layer)]);
  const names = Object.keys(layer.values);
  const table = Object.fromEntries(names.map((name) => [name, ROLE]));
  const { values, problems } = readTable(table, layer);
  if (problems.length > 0) throw fail(problems.map(problemText));
  return names.map((name) => {
    const role = values[name] as (typeof values)[string];
    if (role.token === "") throw fail([`${path}: ${name}: a role needs a token`]);
    const rights = Object.fromEntries(
      RIGHTS.map((right) => [right, role[right].map(partsOf)]),
    ) as Record<Right, Path[]>;
    return { name, token: role.token, ...rights };
  });
}
