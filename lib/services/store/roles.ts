import { inputText } from "../../config/input.ts";
import { parseLayer, whereIn } from "../../config/layer.ts";
import { list, text } from "../../config/option.ts";
import { readTable } from "../../config/read.ts";
import { reasonOf } from "../../config/reason.ts";
import { section } from "../../config/section.ts";
import { keyText } from "../../config/shown.ts";
import type { Config } from "../../config/table.ts";
import { type Fault, faultsIn, StartError } from "../../host/errors.ts";
import { digest, TOKEN_LENGTH, tokenIn } from "../../net/admission/token.ts";
import { type Path, partsOf, unfit } from "./keys/path.ts";

/** Rights that a role has below its prefixes. */
export const RIGHTS = ["read", "write", "publish", "subscribe"] as const;
export type Right = (typeof RIGHTS)[number];

/** The rights of a client, by prefixes. */
export interface Role extends Readonly<Record<Right, readonly Path[]>> {
  readonly name: string;
}

const EVERYWHERE: readonly Path[] = [[]];

/** All rights: for the token of `token_file`, and for everybody where there are no tokens. */
export const FULL: Role = {
  name: "all",
  read: EVERYWHERE,
  write: EVERYWHERE,
  publish: EVERYWHERE,
  subscribe: EVERYWHERE,
};

/** True if a role has a right at a path, and so below it. */
export function mayAt(role: Role, right: Right, path: Path): boolean {
  if (role === FULL) return true;
  return role[right].some((prefix) => prefix.every((part, i) => path[i] === part));
}

/** Every role by its token. */
export class Roles {
  /** True if there are no tokens, so that everybody may do everything. */
  readonly open: boolean;
  readonly #byDigest = new Map<string, Role>();

  /**
   * @param settings of the store
   * @throws StartError with every fault of both files
   */
  constructor({ token_file: file, roles_file: path }: Config["store"]) {
    this.open = file === "" && path === "";
    const faults = [
      ...(file === "" ? [] : faultsIn(() => this.#add(tokenIn(file, "store.token_file"), FULL))),
      ...(path === "" ? [] : readRoles(path, this.#byDigest)),
    ];
    if (faults.length > 0) throw new StartError(faults);
  }

  #add(token: string, role: Role): void {
    this.#byDigest.set(hexOf(token), role);
  }

  /** The role of a token, by its digest in hex. */
  find(hex: string): Role | undefined {
    // The time of a look-up can leak a digest at most, and a digest tells nothing of its token.
    return this.#byDigest.get(hex);
  }
}

function hexOf(token: string): string {
  return digest(token).toString("hex");
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

/** Adds the roles of a file by their tokens' digests. @returns every fault of the file */
function readRoles(path: string, byDigest: Map<string, Role>): readonly Fault[] {
  const key = "store.roles_file";
  let content: string;
  try {
    content = inputText(path);
  } catch (error) {
    return [{ key, message: `cannot read ${path}: ${reasonOf(error)}` }];
  }
  const layer = parseLayer(path, content);
  if ("message" in layer) return [{ key, ...layer }];
  const faults: Fault[] = [];
  const complain = (at: readonly string[], message: string) => {
    faults.push({ key, where: whereIn(layer, at), message: `${keyText(at)}: ${message}` });
  };
  // A value outside of a role's table may be a token: it is not shown.
  const tables = Object.entries(layer.values).filter(([name, found]) => {
    const isTable = typeof found === "object" && found !== null && !Array.isArray(found);
    if (!isTable) complain([name], "stands in no role; allowed: a table for each role");
    return isTable;
  });
  const entries = Object.fromEntries(tables.map(([name]) => [name, ROLE]));
  const read = readTable(entries, { ...layer, values: Object.fromEntries(tables) });
  faults.push(...read.problems.map((problem) => ({ key, ...problem })));
  for (const [name, found] of tables) {
    if (!Object.hasOwn(found as object, "token")) complain([name], "a role needs a token");
    const { token, ...rights } = read.values[name] as (typeof read.values)[string];
    if (token === "") continue;
    const hex = hexOf(token);
    if (byDigest.has(hex)) complain([name, "token"], "somebody else has the same token");
    const paths = RIGHTS.map((right) => [right, rights[right].map(partsOf)] as const);
    byDigest.set(hex, { name, ...(Object.fromEntries(paths) as Record<Right, Path[]>) });
  }
  return faults;
}
