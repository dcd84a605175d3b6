import { basename, dirname, join, resolve } from "node:path";
import { contradictions } from "../../config/contradictions.ts";
import { keyProblem, parseLayer, type Problem } from "../../config/layer.ts";
import { load, type Loaded, type Sources } from "../../config/load.ts";
import type { Option, Token } from "../../config/option.ts";
import { nested, optionPaths, valueAt } from "../../config/paths.ts";
import { placeOf } from "../../config/place.ts";
import { type PresetName, presets } from "../../config/presets.ts";
import { read, type Reading } from "../../config/read.ts";
import { masked, renderToml, tomlValue } from "../../config/render.ts";
import { SCHEMA_LINE } from "../../config/schema.ts";
import type { Contradiction } from "../../config/section.ts";
import { isEnabled, type ServiceEntry, SERVICES } from "../../config/services.ts";
import { type Config, settings } from "../../config/table.ts";
import { addressText } from "../../host/service.ts";

/** The values that a configuration gives explicitly, by dotted path. */
export type Given = ReadonlyMap<string, unknown>;

/** Every option of the table, by its dotted path. */
export const OPTIONS: ReadonlyMap<string, Option<unknown>> = new Map(optionPaths(settings));

/** The paths of the guards of all services. */
export const GUARDS: readonly string[] = SERVICES.flatMap(({ guards }) => guards?.paths ?? []);

/** A setting that names a file with a token, which may be made. */
export interface TokenFile extends Token {
  readonly path: string;
  readonly service: ServiceEntry;
}

export const TOKENS: readonly TokenFile[] = [...OPTIONS].flatMap(([path, { token }]) => {
  const service = SERVICES.find(({ name }) => path.startsWith(`${name}.`));
  return token && service ? { ...token, path, service } : [];
});

function defaultOf(path: string): unknown {
  return OPTIONS.get(path)?.initial;
}

/**
 * Reads the configuration that a new file starts from: the defaults or the
 * named file, and the command line. A missing token is no problem yet: it may
 * be made.
 */
export function begin(sources: Sources): Loaded<Config> {
  const loaded = load(settings, { ...sources, file: sources.file ?? null });
  const makeable = contradictions(settings, loaded.config)
    .filter(({ token }) => TOKENS.some(({ path }) => path === token))
    .map(({ key, message }) => keyProblem(key, message, loaded.origins.get(key)).message);
  const problems = loaded.problems.filter(({ message }) => !makeable.includes(message));
  return { ...loaded, problems };
}

/** The values to write so that a file means the same: all that were given. */
export function givenBy({ config, origins }: Reading): Given {
  const given = new Map<string, unknown>();
  for (const path of OPTIONS.keys()) {
    const value = valueAt(config, path);
    if (value !== null && origins.has(path)) given.set(path, value);
  }
  return given;
}

/** The answers about TLS. */
export interface TlsAnswer {
  /** The section that gets it (`tls` is for every service), or null for no TLS. */
  readonly section: string | null;
  /** True if a new pair will be made for it. */
  readonly made: boolean;
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
}

/** The answers so far. */
export interface Draft {
  /** The origin of `base`: a preset's name, `defaults`, or the file that is started from. */
  readonly purpose: string;
  readonly base: Given;
  /** The answers that differ from `base`. */
  readonly answers: Given;
  /** Null leaves TLS as the base has it. */
  readonly tls: TlsAnswer | null;
  /** The settings that name files for which a new token is made. */
  readonly newTokens: ReadonlySet<string>;
}

export function draftOf(purpose: string, base: Given): Draft {
  return { purpose, base, answers: new Map(), tls: null, newTokens: new Set() };
}

/** The draft with another base. Answers stay, except those about guards, which were about other numbers. */
export function rebased(draft: Draft, purpose: string, base: Given): Draft {
  if (draft.purpose === purpose) return draft;
  const answers = [...draft.answers].filter(([path]) => !GUARDS.includes(path));
  return { ...draft, purpose, base, answers: new Map(answers) };
}

function baseValue({ base }: Draft, path: string): unknown {
  return base.has(path) ? base.get(path) : defaultOf(path);
}

/** The value of an option in a draft, without the answers about TLS. */
export function valueIn(draft: Draft, path: string): unknown {
  return draft.answers.has(path) ? draft.answers.get(path) : baseValue(draft, path);
}

export function isOn(draft: Draft, { enabled }: ServiceEntry): boolean {
  return valueIn(draft, enabled) === true;
}

/** The draft with one more answer. */
export function answered(draft: Draft, path: string, value: unknown): Draft {
  const answers = new Map(draft.answers);
  if (Bun.deepEquals(value, baseValue(draft, path))) answers.delete(path);
  else answers.set(path, value);
  return { ...draft, answers };
}

/** All values that a draft gives explicitly. */
export function givenIn({ base, answers, tls }: Draft): Given {
  const given = new Map([...base, ...answers]);
  if (tls === null) return given;
  for (const path of given.keys()) {
    const [, key] = /(?:^|\.)tls\.(\w+)$/.exec(path) ?? [];
    const replaced = key === "cert" || key === "key" || key === "passphrase";
    if (replaced || (key !== undefined && tls.section === null)) given.delete(path);
  }
  if (tls.section === null) return given;
  given.set(`${tls.section}.cert`, tls.cert);
  given.set(`${tls.section}.key`, tls.key);
  if (tls.passphrase !== "") given.set(`${tls.section}.passphrase`, tls.passphrase);
  return given;
}

/** True if the base of a draft has TLS anywhere. */
export function hasTls({ base }: Draft): boolean {
  return [...base.keys()].some((path) => /(?:^|\.)tls\.cert$/.test(path) && base.get(path) !== "");
}

/** The file of a draft, and its configuration, read as any file is. */
export interface Rendered {
  readonly text: string;
  readonly config: Config;
  readonly problems: readonly Problem[];
}

/** Renders a draft as the file at `path`, and reads it back. */
export function rendered(path: string, given: Given): Rendered {
  const text = `${SCHEMA_LINE}\n${renderToml(settings, given)}`;
  const layer = parseLayer(path, text);
  const { config, problems } = read(settings, "message" in layer ? [] : [layer]);
  return { text, config, problems: "message" in layer ? [layer, ...problems] : problems };
}

/** True for the content of a file as the program ships it, with nothing in it to lose. */
export function isShipped(text: string | null): boolean {
  return text === renderToml(settings);
}

/** True if a service needs this token, and the environment does not hold it. */
export function needsToken(draft: Draft, { path }: TokenFile): boolean {
  return contradictionsIn(answered(draft, path, "")).some(({ token }) => token === path);
}

/** The contradictions among the settings of a draft. */
export function contradictionsIn(draft: Draft): readonly Contradiction[] {
  const config = nested([...OPTIONS.keys()].map((one) => [one, valueIn(draft, one)]));
  return contradictions(settings, config);
}

/** The draft with or without a new token for the file that a setting names. */
export function withNewToken(draft: Draft, path: string, made: boolean): Draft {
  const newTokens = new Set(draft.newTokens);
  if (made) newTokens.add(path);
  else newTokens.delete(path);
  return { ...draft, newTokens };
}

/** The path of a file beside the configuration, as the configuration names it. */
export function besides(target: string, ending: string): string {
  const name = basename(target).replace(/\.toml$/i, ending);
  const folder = resolve(dirname(target));
  // The server resolves a relative path from the folder it is started in, most likely this one.
  return folder === process.cwd() ? name : join(folder, name);
}

/** The description of a preset, without its full stop. */
export function presetAbout(name: PresetName): string {
  return presets[name].about.replace(/\.$/, "");
}

/** The addresses of the services of a configuration, one line each. */
export function addressLines(config: Config): string[] {
  const on = SERVICES.filter(({ name }) => isEnabled(config, name));
  const width = Math.max(...on.map(({ name }) => name.length));
  return on.map(({ name }) => {
    const { host, port, tls } = placeOf(config, name);
    const secure = tls.cert === "" ? "" : " with TLS";
    const free = port === 0 ? " (a free port)" : "";
    return `${name.padEnd(width)}  ${addressText(host, port)}${free}${secure}`;
  });
}

/** The values of a file that are not defaults, one line each; secrets are masked. */
export function settingLines(given: Given): string[] {
  return [...given]
    .filter(([path, value]) => !Bun.deepEquals(value, defaultOf(path)))
    .map(([path, value]) => {
      const option = OPTIONS.get(path) as Option<unknown>;
      return `${path} = ${tomlValue(masked(option, value))}`;
    });
}
