import { accessSync, constants, existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import { cancel, outro } from "@clack/prompts";
import { DEFAULT_FILE, type Loaded, problemText, type Sources } from "../config/load.ts";
import { reasonOf } from "../config/reason.ts";
import type { Token } from "../config/option.ts";
import { valueAt } from "../config/paths.ts";
import { masked } from "../config/render.ts";
import { SERVICES } from "../config/services.ts";
import type { Config } from "../config/table.ts";
import { type Arguments, type Command, type Context, SOURCES, sourcesOf } from "./command.ts";
import { run } from "./run.ts";
import { say } from "./terminal/say.ts";
import { askAll, type Opening, openingOf } from "./wizard/wizard.ts";
import { askYes, BACK, Cancelled, tell } from "./wizard/ask.ts";
import { lookAtRoom } from "./wizard/cluster.ts";
import { convert, type Converted } from "./wizard/convert.ts";
import { differenceLines } from "./wizard/difference.ts";
import {
  addressLines,
  answered,
  begin,
  besides,
  type Draft,
  draftOf,
  type Given,
  givenBy,
  givenIn,
  isOn,
  isShipped,
  needsToken,
  OPTIONS,
  rendered,
  type TokenFile,
  TOKENS,
  valueIn,
  withNewToken,
} from "./wizard/draft.ts";
import { contentOf, type NewFile, writeFiles } from "./terminal/write.ts";
import { holdsToken, listenTrouble, newToken, selfSigned, schemaFor } from "./wizard/files.ts";

const NOTHING = "Nothing was written.";

export const init: Command = {
  name: "init",
  about: "Write a summoner.toml: asks what the server is for, checks the answers, offers to start.",
  more: [
    "Nothing is written before the last question, and no file is replaced without showing what would change. The file that is shipped is replaced as long as nothing in it was changed; for any other, --yes needs --force. --yes asks nothing and takes the defaults, the preset and what --set says.",
    "--from converts a configuration of the reference server, and says what is not as it was. Without a terminal it asks nothing, and needs --yes only to replace a file that is there.",
  ],
  flags: [
    {
      name: "config",
      short: "c",
      value: "PATH",
      completes: "file",
      about: "File to write, ending in .toml; default ./summoner.toml.",
    },
    ...SOURCES.filter(({ name }) => name !== "config"),
    {
      name: "from",
      value: "PATH",
      completes: "file",
      about: "Start from this configuration, TOML or the reference's server.json.",
    },
    { name: "yes", short: "y", about: "Ask nothing. With --from: replace the file that is there." },
    { name: "token", about: "Without questions: make an admin token even where none is needed." },
    { name: "force", about: "Without questions: replace files that are there." },
  ],
  serves: true,
  examples: [
    ["init", "Asks, and writes ./summoner.toml."],
    ["init --yes --preset chat --set port=9000", "Asks nothing."],
    ["init --from server.json", "Takes over the settings of a reference server."],
  ],
  async run(args, context) {
    const found = prepare(args);
    if (typeof found === "string") {
      say.error(found);
      return 2;
    }
    for (const problem of found.loaded.problems) say.error(problemText(problem));
    if (found.loaded.problems.length > 0) {
      say.log(NOTHING);
      return 2;
    }
    return asks(args) ? ask(found, context) : withoutQuestions(found, args, context);
  },
};

/** A command line as understood: the file to write, and the configuration to start from. */
interface Prepared {
  readonly target: string;
  readonly sources: Sources;
  readonly loaded: Loaded<Config>;
}

/** True if there are questions to ask. A conversion needs none where nobody can answer. */
function asks({ flags }: Arguments): boolean {
  return !flags.has("yes") && (!flags.has("from") || underTerminal());
}

function underTerminal(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}

/** Understands a command line. @returns its first error as a string, if there is one */
function prepare(args: Arguments): Prepared | string {
  const { flags } = args;
  if (asks(args)) {
    const stray = ["token", "force"].find((name) => flags.has(name));
    if (stray) return `--${stray}: only with --yes`;
    if (!underTerminal()) {
      return "init needs a terminal; init --yes writes a configuration without questions";
    }
  }
  const target = flags.get("config")?.[0] ?? DEFAULT_FILE;
  if (!target.toLowerCase().endsWith(".toml")) return `--config: ${target} must end in .toml`;
  try {
    accessSync(dirname(target), constants.W_OK);
  } catch (error) {
    return `--config: cannot write to the folder ${dirname(target)}: ${reasonOf(error)}`;
  }
  const { preset, host, port } = sourcesOf(args);
  const sets = flags.get("set") ?? [];
  const sources = { file: flags.get("from")?.[0], preset, sets, host, port };
  return { target, sources, loaded: begin(sources) };
}

/** The settings of the file that `--from` names, as this server's. */
function converted({ loaded }: Prepared, file: string): Converted {
  const content = contentOf(file);
  if (content === null || !file.toLowerCase().endsWith(".json")) {
    return { given: givenBy(loaded), notes: [] };
  }
  const values = JSON.parse(content.replace(/^\uFEFF/, "")) as Record<string, unknown>;
  return convert(basename(file), values, loaded);
}

async function withoutQuestions(
  found: Prepared,
  { flags }: Arguments,
  { program }: Context,
): Promise<number> {
  const { target, sources, loaded } = found;
  const tell = flags.has("quiet") ? () => {} : (line: string) => process.stdout.write(`${line}\n`);
  const force = flags.has("force");
  const { file } = sources;
  const before = contentOf(target);
  const replaces = force || isShipped(before) || (file !== undefined && flags.has("yes"));
  if (before !== null && !replaces) {
    const how = file ? "--yes replaces it" : "--force replaces it, init without --yes asks";
    say.error(`${target} exists already; ${how}`);
    return 2;
  }
  const { given, notes }: Converted = file
    ? converted(found, file)
    : { given: givenBy(loaded), notes: [] };
  let draft = draftOf(file ?? sources.preset ?? "defaults", given);
  const withToken = tokensWithoutQuestions(draft, target, flags.has("token"), force);
  if (typeof withToken === "string") {
    say.error(withToken);
    return 2;
  }
  draft = withToken;
  const { text, config, problems } = rendered(target, givenIn(draft));
  if (problems.length > 0) {
    for (const problem of problems) say.error(problemText(problem));
    say.log(NOTHING);
    return 2;
  }
  for (const note of notes) tell(note);
  for (const service of SERVICES.filter((one) => isOn(draft, one))) {
    const { host, port } = service;
    const trouble = listenTrouble(valueAt(config, host) as string, valueAt(config, port) as number);
    if (trouble) say.warn(`${service.name}: ${trouble} at present`);
  }
  if (config.cluster.url !== "") {
    const { said, isThere } = await lookAtRoom(config.cluster);
    if (isThere) tell(said);
    else say.warn(`cluster: ${said}`);
  }
  if (before !== null) for (const line of differenceLines(before, text)) tell(line);
  const { written, tokens } = write(target, text, before, draft);
  tell(`written: ${written.join(", ")}`);
  for (const line of addressLines(config)) tell(`  ${line}`);
  for (const { name, token } of tokens) tell(`${name} token, shown this once: ${token}`);
  tell(`${startLine(program, target)} starts it.`);
  return 0;
}

/** The draft with the tokens that are needed or wanted, or the error that there can be none. */
function tokensWithoutQuestions(
  draft: Draft,
  target: string,
  wanted: boolean,
  force: boolean,
): Draft | string {
  const on = TOKENS.filter(({ service }) => isOn(draft, service));
  if (wanted && on.length === 0) {
    return `--token: the ${TOKENS.map(({ service }) => service.name).join(" or ")} service is off`;
  }
  let next = draft;
  for (const token of on) {
    const made = tokenWithoutQuestions(next, token, target, wanted, force);
    if (typeof made === "string") return made;
    next = made;
  }
  return next;
}

/** The draft with this token; one that exists is kept. */
function tokenWithoutQuestions(
  draft: Draft,
  token: TokenFile,
  target: string,
  wanted: boolean,
  force: boolean,
): Draft | string {
  const { path } = token;
  const named = valueIn(draft, path) as string;
  if (!wanted && (named !== "" || !needsToken(draft, token))) return draft;
  const file = named || besides(target, ".token");
  const next = answered(draft, path, file);
  if (holdsToken(file) && !(wanted && force)) return next;
  if (existsSync(file) && !force) return `${file} holds no token; --force replaces it`;
  return withNewToken(next, path, true);
}

/** Asks, writes, and offers to start the server. */
async function ask(found: Prepared, context: Context): Promise<number> {
  const { target } = found;
  try {
    const before = contentOf(target);
    const done = await askAll(opening(found));
    const { text } = rendered(target, givenIn(done));
    const { written, tokens } = write(target, text, before, done);
    if (written.length > 0) tell.done(`Written: ${written.join(", ")}`);
    for (const { name, askedBy, token, file } of tokens) {
      const about = `${askedBy} asks for it; ${file} keeps it.`;
      tell.box(`The ${name} token, shown this once`, [token, "", about]);
    }
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    cancel(`Cancelled. ${NOTHING}`);
    return 1;
  }
  const later = startLine(context.program, target);
  if (!(await wantsStart())) {
    outro(`${later} starts it.`);
    return 0;
  }
  outro("Starting; Ctrl-C stops it.");
  const flags = new Map([["config", [target]]]);
  return run.run({ command: run, named: true, flags, operands: [], problems: [] }, context);
}

function opening(found: Prepared): Opening {
  const { target, sources } = found;
  const { file } = sources;
  if (typeof file !== "string") return openingOf(target, sources);
  const { given, notes } = converted(found, file);
  return { target, sources, draft: draftOf(file, given), notes };
}

async function wantsStart(): Promise<boolean> {
  try {
    const answer = await askYes("Start the server now?");
    return answer !== BACK && answer;
  } catch (error) {
    if (error instanceof Cancelled) return false;
    throw error;
  }
}

interface Written {
  readonly written: readonly string[];
  readonly tokens: readonly NewToken[];
}

/** A token that was made, and the file that keeps it. */
interface NewToken extends Token {
  readonly token: string;
  readonly file: string;
}

/**
 * Writes a draft with all files that belong to it, or none of them.
 * @param before the content of the file when the person was asked
 * @throws StartError
 */
function write(target: string, text: string, before: string | null, draft: Draft): Written {
  const { tls, newTokens } = draft;
  const files: NewFile[] = [];
  if (tls?.made) {
    const hosts = SERVICES.map(({ host }) => valueIn(draft, host) as string);
    const pair = selfSigned(hosts);
    files.push({ path: tls.cert, content: pair.cert, secret: false });
    files.push({ path: tls.key, content: pair.key, secret: true });
  }
  const tokens = TOKENS.filter(({ path }) => newTokens.has(path)).map((made) => ({
    ...made,
    token: newToken(),
    file: valueIn(draft, made.path) as string,
  }));
  for (const { token, file } of tokens) {
    files.push({ path: file, content: `${token}\n`, secret: true });
  }
  // The configuration names the other files, so it is written last.
  if (text !== before) {
    const schema = schemaFor(target);
    if (schema) files.push(schema);
    files.push({ path: target, content: text, secret: holdsSecret(givenIn(draft)) });
  }
  writeFiles(files, { path: target, content: before });
  return { written: files.map(({ path }) => path), tokens };
}

function holdsSecret(given: Given): boolean {
  return [...given].some(([path, value]) => {
    const option = OPTIONS.get(path);
    return option?.secret === true && masked(option, value) !== value;
  });
}

function startLine(program: string, target: string): string {
  return target === DEFAULT_FILE ? program : `${program} --config ${target}`;
}
