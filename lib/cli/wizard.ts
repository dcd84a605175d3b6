import { existsSync } from "node:fs";
import { styleText } from "node:util";
import { intro } from "@clack/prompts";
import { contradictions, TOKEN_VARIABLE } from "../config/contradictions.ts";
import { problemText, type Sources } from "../config/load.ts";
import type { Option } from "../config/option.ts";
import { type PresetName, presets } from "../config/presets.ts";
import { tomlValue } from "../config/render.ts";
import type { ServiceEntry } from "../config/services.ts";
import {
  askChoice,
  askSecret,
  askSeveral,
  askText,
  BACK,
  type Back,
  Cancelled,
  type Choice,
  tell,
} from "./wizard-ask.ts";
import {
  addressLines,
  answered,
  begin,
  besides,
  type Draft,
  draftOf,
  givenBy,
  givenIn,
  GUARDS,
  hasTls,
  isOn,
  needsToken,
  OPTIONS,
  presetAbout,
  rebased,
  rendered,
  SERVICES,
  settingLines,
  type TlsAnswer,
  TOKEN_FILE,
  valueIn,
} from "./wizard-draft.ts";
import { differenceLines } from "./wizard-difference.ts";
import { contentOf } from "./place.ts";
import {
  canSelfSign,
  fileTrouble,
  freeAfter,
  holdsToken,
  isEncrypted,
  listenTrouble,
  pairTrouble,
  TRIAL_DAYS,
  schemaFor,
} from "./wizard-files.ts";

/** What the wizard begins with. */
export interface Opening {
  /** The file that is to be written. */
  readonly target: string;
  /** What the command line says. */
  readonly sources: Sources;
  readonly draft: Draft;
  /** What is to be known of a file that was converted. */
  readonly notes: readonly string[];
}

/** One question, or a few that belong together. */
interface Step {
  /** Whether it is to be asked; always, when not given. */
  applies?(draft: Draft): boolean;
  /** @param keep takes what is to be kept of a step that a person goes back from */
  ask(draft: Draft, keep: (draft: Draft) => void): Promise<Draft | Back>;
}

/** Asks everything. @returns what is to be written @throws Cancelled */
export async function askAll(opening: Opening): Promise<Draft> {
  intro(styleText("bold", `A new ${opening.target}`));
  tell.info(
    "Enter takes what is marked, < goes back a step, Ctrl-C ends this. Nothing is written before the end.",
  );
  if (opening.notes.length > 0) tell.lines(opening.notes);
  const steps = stepsOf(opening);
  let { draft } = opening;
  const keep = (changed: Draft) => {
    draft = changed;
  };
  for (let at = 0; at < steps.length;) {
    const step = steps[at] as Step;
    const answer = step.applies?.(draft) === false ? draft : await step.ask(draft, keep);
    if (answer !== BACK) {
      draft = answer;
      at++;
      continue;
    }
    const before = steps.findLastIndex((one, i) => i < at && one.applies?.(draft) !== false);
    at = Math.max(0, before);
  }
  return draft;
}

function stepsOf(opening: Opening): Step[] {
  const { target } = opening;
  return [
    ...(opening.sources.file === undefined ? [purposeStep(opening)] : []),
    { ask: askServices },
    ...SERVICES.flatMap(addressSteps),
    {
      applies: (draft) => SERVICES.some((one) => one.name === "relay" && isOn(draft, one)),
      ask: askGuards,
    },
    ...tlsSteps(target),
    {
      applies: (draft) => SERVICES.some((one) => one.name === "web" && isOn(draft, one)),
      ask: (draft) => askToken(draft, target),
    },
    { ask: (draft) => review(draft, target) },
  ];
}

// --- what for

function purposeStep({ target, sources }: Opening): Step {
  const existing = existingBase(target, sources);
  const bases = new Map([["defaults", () => begin({ ...sources, preset: undefined })]]);
  const choices: Choice<string>[] = [
    { value: "defaults", label: "Agents in general: the defaults, with their guards" },
  ];
  for (const preset of Object.keys(presets) as PresetName[]) {
    bases.set(preset, () => begin({ ...sources, preset }));
    choices.push({ value: preset, label: presetAbout(preset), hint: `preset ${preset}` });
  }
  if (existing?.problems.length === 0) {
    bases.set(target, () => existing);
    choices.unshift({ value: target, label: `What ${target} says now` });
  }
  return {
    async ask(draft) {
      const purpose = await askChoice("What is this server for?", "", choices, draft.purpose);
      if (purpose === BACK) return BACK;
      const base = bases.get(purpose) as () => ReturnType<typeof begin>;
      return rebased(draft, purpose, givenBy(base()));
    },
  };
}

function existingBase(target: string, sources: Sources): ReturnType<typeof begin> | null {
  return existsSync(target) ? begin({ ...sources, file: target }) : null;
}

/** What the wizard begins with when no file is named to start from. */
export function openingOf(target: string, sources: Sources): Opening {
  const existing = existingBase(target, sources);
  const notes = (existing?.problems ?? []).map(problemText);
  if (notes.length > 0) notes.unshift(`${target} cannot be started from:`);
  const draft =
    existing?.problems.length === 0 && sources.preset === undefined
      ? draftOf(target, givenBy(existing))
      : draftOf(sources.preset ?? "defaults", givenBy(begin(sources)));
  return { target, sources, draft, notes };
}

// --- which services, and where

async function askServices(draft: Draft): Promise<Draft | Back> {
  const choices = SERVICES.map(({ name, about }) => ({
    value: name,
    label: name,
    hint: about.split(/(?<=\.) /)[0]?.replace(/\.$/, ""),
  }));
  const on = SERVICES.filter((service) => isOn(draft, service)).map(({ name }) => name);
  const chosen = await askSeveral("Which services should run?", choices, on);
  if (chosen === BACK) return BACK;
  let next = draft;
  for (const { name, enabled } of SERVICES) next = answered(next, enabled, chosen.includes(name));
  return next;
}

function addressSteps(service: ServiceEntry): Step[] {
  const { name, host, port } = service;
  const applies = (draft: Draft) => isOn(draft, service);
  return [
    {
      applies,
      ask: (draft) =>
        askOption(draft, host, `${name}: ${lastKey(host)}`, {
          doubt: (found) => listenTrouble(found as string, 0),
        }),
    },
    {
      applies,
      ask(draft) {
        const at = valueIn(draft, host) as string;
        return askOption(draft, port, `${name}: ${lastKey(port)}`, {
          refuse: (found) => takenBy(draft, service, found as number),
          doubt: (found) => portTrouble(at, found as number),
        });
      },
    },
  ];
}

function lastKey(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** Which service that was asked before has taken a port, in words, or null. */
function takenBy(draft: Draft, service: ServiceEntry, found: number): string | null {
  if (found === 0) return null;
  const before = SERVICES.slice(0, SERVICES.indexOf(service));
  const other = before.find((one) => isOn(draft, one) && valueIn(draft, one.port) === found);
  return other ? `${found} is the port of the ${other.name} already; choose another` : null;
}

function portTrouble(host: string, port: number): string | null {
  if (port === 0 || listenTrouble(host, 0) !== null) return null;
  const trouble = listenTrouble(host, port);
  if (!trouble?.endsWith("in use")) return trouble;
  const free = freeAfter(host, port);
  return free === null ? trouble : `${trouble} (${free} is free)`;
}

// --- one option

interface Asking {
  /** What explains it, instead of the table's words. */
  readonly about?: string;
  /** Why a value that the table allows will not do here, or null. */
  refuse?(value: unknown): string | null;
  /** Why a value would not work on this machine as it is now, or null; a person may insist. */
  doubt?(value: unknown): string | null;
}

/** Asks for the value of an option, in the words of the table. */
async function askOption(
  draft: Draft,
  path: string,
  title: string,
  { about, refuse, doubt }: Asking = {},
): Promise<Draft | Back> {
  const option = OPTIONS.get(path) as Option<unknown>;
  const current = valueIn(draft, path);
  const words = about ?? option.about;
  let answer: unknown;
  if (option.words || typeof current === "boolean") {
    const values = option.words ?? [true, false];
    const choices = values.map((value) => ({ value, label: String(value) }));
    const asked = await askChoice<string | boolean>(
      title,
      words,
      choices,
      current as string | boolean,
    );
    if (asked === BACK) return BACK;
    answer = asked;
  } else {
    let told: unknown;
    const text = await askText(title, words, String(current), (found) => {
      const value = valueOf(option, found);
      if (value === undefined) return `found ${found}; allowed: ${option.allowed}`;
      const refused = refuse?.(value) ?? null;
      if (refused !== null) return refused;
      const doubted = value === told ? null : (doubt?.(value) ?? null);
      told = value;
      return doubted && `${doubted}; choose another, or press Enter again to keep it`;
    });
    if (text === BACK) return BACK;
    answer = valueOf(option, text);
  }
  return answered(draft, path, answer);
}

/** The value that a person means by a text, or undefined when that is not allowed. */
function valueOf(option: Option<unknown>, text: string): unknown {
  const found = /^-?\d+$/.test(text) ? Number(text) : text === "false" ? false : text;
  return option.read(found) ?? option.read(text);
}

// --- guards

async function askGuards(draft: Draft, keep: (draft: Draft) => void): Promise<Draft | Back> {
  let next = draft;
  for (;;) {
    const choices: Choice<string>[] = [{ value: "", label: "Keep them" }];
    // The plain backend has none, but can be exchanged.
    const plain = valueIn(next, "version") === "python";
    for (const path of plain ? ["version"] : GUARDS) {
      const { about } = OPTIONS.get(path) as Option<unknown>;
      const label = `${lastKey(path)} = ${tomlValue(valueIn(next, path))}`;
      choices.push({ value: path, label, more: about });
    }
    const path = await askChoice("Keep these guards, or change one?", "", choices, "");
    if (path === BACK) return BACK;
    if (path === "") {
      const wrong = guardTroubles(next);
      if (wrong.length === 0) return next;
      for (const trouble of wrong) tell.warn(trouble);
      continue;
    }
    const { allowed, words } = OPTIONS.get(path) as Option<unknown>;
    const isShown = words !== undefined || typeof valueIn(next, path) === "boolean";
    const about = isShown ? "" : `Allowed: ${allowed}.`;
    const changed = await askOption(next, path, lastKey(path), { about });
    if (changed === BACK) continue;
    next = changed;
    keep(next);
  }
}

/** What contradicts itself among the guards. */
function guardTroubles(draft: Draft): string[] {
  const { config } = rendered("summoner.toml", givenIn(draft));
  return contradictions(config)
    .filter(({ key }) => GUARDS.includes(key))
    .map(({ key, message }) => `${lastKey(key)}: ${message}`);
}

// --- TLS

const NO_TLS: TlsAnswer = { section: null, made: false, cert: "", key: "", passphrase: "" };

function tlsSteps(target: string): Step[] {
  const wanted = ({ tls }: Draft) => tls !== null && tls.section !== null;
  const fromFiles = (draft: Draft) => wanted(draft) && draft.tls?.made === false;
  return [
    { ask: askTls },
    { applies: wanted, ask: (draft) => askPair(draft, target) },
    { applies: fromFiles, ask: (draft) => askFile(draft, target, "cert") },
    { applies: fromFiles, ask: (draft) => askFile(draft, target, "key") },
    {
      applies: (draft) => fromFiles(draft) && isEncrypted((draft.tls as TlsAnswer).key),
      ask: askPassphrase,
    },
  ];
}

async function askTls(draft: Draft): Promise<Draft | Back> {
  const services = SERVICES.filter((one) => isOn(draft, one) && one.tls !== null);
  const choices: Choice<string>[] = [
    { value: "none", label: "None" },
    { value: "tls", label: "Every service", hint: "[tls]" },
  ];
  if (services.length > 1) {
    for (const { name, tls } of services) {
      choices.push({ value: tls as string, label: `Only ${name}`, hint: `[${tls}]` });
    }
  }
  if (hasTls(draft)) choices.unshift({ value: "as is", label: "As it is now" });
  const before = draft.tls ? (draft.tls.section ?? "none") : hasTls(draft) ? "as is" : "none";
  const section = await askChoice("TLS: what is encrypted?", "", choices, before);
  if (section === BACK) return BACK;
  if (section === "as is") return { ...draft, tls: null };
  if (section === "none") return { ...draft, tls: hasTls(draft) ? NO_TLS : null };
  return { ...draft, tls: { ...(draft.tls ?? NO_TLS), section } };
}

async function askPair(draft: Draft, target: string): Promise<Draft | Back> {
  const tls = draft.tls as TlsAnswer;
  const [cert, key] = [besides(target, ".crt"), besides(target, ".key")];
  const choices: Choice<boolean>[] = [{ value: false, label: "From files that I have" }];
  // Nobody's key is overwritten.
  if (canSelfSign() && !existsSync(cert) && !existsSync(key)) {
    choices.push({
      value: true,
      label: "A self-signed pair for trying out",
      hint: `made by openssl, good for ${TRIAL_DAYS} days`,
    });
  }
  const made = await askChoice("Where does the certificate come from?", "", choices, tls.made);
  if (made === BACK) return BACK;
  if (made) return { ...draft, tls: { ...tls, made, cert, key, passphrase: "" } };
  return { ...draft, tls: tls.made ? { ...NO_TLS, section: tls.section } : tls };
}

async function askFile(draft: Draft, target: string, which: "cert" | "key"): Promise<Draft | Back> {
  const tls = draft.tls as TlsAnswer;
  const path = `${tls.section}.${which}`;
  const beside = besides(target, which === "cert" ? ".crt" : ".key");
  const initial = tls[which] || (existsSync(beside) ? beside : "");
  const { about } = OPTIONS.get(path) as Option<unknown>;
  const file = await askText(path, about, initial, (found) => {
    if (found === "") return "a file is needed";
    const trouble = fileTrouble(found);
    if (trouble !== null || which === "cert" || isEncrypted(found)) return trouble;
    return pairTrouble(tls.cert, found, "");
  });
  return file === BACK ? BACK : { ...draft, tls: { ...tls, [which]: file, passphrase: "" } };
}

async function askPassphrase(draft: Draft): Promise<Draft | Back> {
  const tls = draft.tls as TlsAnswer;
  const path = `${tls.section}.passphrase`;
  const { about } = OPTIONS.get(path) as Option<unknown>;
  const passphrase = await askSecret(path, about, (found) =>
    found === "" ? "a passphrase is needed" : pairTrouble(tls.cert, tls.key, found),
  );
  return passphrase === BACK ? BACK : { ...draft, tls: { ...tls, passphrase } };
}

// --- the token

async function askToken(draft: Draft, target: string): Promise<Draft | Back> {
  const file = (valueIn(draft, TOKEN_FILE) as string) || besides(target, ".token");
  const [there, usable] = [existsSync(file), holdsToken(file)];
  const choices: Choice<string>[] = [];
  if (usable) choices.push({ value: "keep", label: `The one in ${file}` });
  choices.push({
    value: "make",
    label: there ? `A new one; it replaces what ${file} holds` : `A new one, kept in ${file}`,
    hint: "shown once, at the end",
  });
  if (process.env[TOKEN_VARIABLE]) {
    choices.push({ value: "none", label: `The one in the environment, as ${TOKEN_VARIABLE}` });
  } else if (!needsToken(draft)) {
    choices.push({ value: "none", label: "None, and no admin actions" });
  }
  const { about } = OPTIONS.get(TOKEN_FILE) as Option<unknown>;
  const initial = draft.makesToken ? "make" : usable ? "keep" : "make";
  const chosen = await askChoice(
    "Which token opens the admin actions?",
    `${TOKEN_FILE}: ${about}`,
    choices,
    initial,
  );
  if (chosen === BACK) return BACK;
  const next = answered(draft, TOKEN_FILE, chosen === "none" ? "" : file);
  return { ...next, makesToken: chosen === "make" };
}

// --- the end

async function review(draft: Draft, target: string): Promise<Draft | Back> {
  const given = givenIn(draft);
  const { text, config, problems } = rendered(target, given);
  if (problems.length > 0) {
    for (const problem of problems) tell.error(problemText(problem));
    return BACK;
  }
  const before = contentOf(target);
  const files = newFiles(draft, text === before ? null : target);
  const settings = settingLines(given);
  tell.box("Summary", [
    ...addressLines(config),
    "",
    ...(settings.length > 0 ? settings : ["Everything is as the program ships it."]),
    "",
    files.length === 0 ? `${target} says all this already.` : `To write: ${files.join(", ")}`,
  ]);
  const replaces = before !== null && text !== before;
  if (replaces) {
    tell.warn(`${target} is there already. This would change:`);
    tell.lines(differenceLines(before, text));
  }
  const choices: Choice<string>[] = [
    {
      value: "write",
      label: replaces ? `Replace ${target}` : files.length > 0 ? "Write" : "Go on",
    },
    { value: "show", label: `Show all of ${target} first` },
    { value: "no", label: "No, write nothing" },
  ];
  for (;;) {
    const chosen = await askChoice("Is this right?", "", choices, replaces ? "no" : "write");
    if (chosen === BACK) return BACK;
    if (chosen === "no") throw new Cancelled();
    if (chosen === "write") return draft;
    tell.lines(text.trimEnd().split("\n"));
  }
}

/** The files that a draft makes besides or with the configuration. */
function newFiles(draft: Draft, target: string | null): string[] {
  const { tls, makesToken } = draft;
  return [
    ...(target === null ? [] : [target, schemaFor(target)?.path ?? []].flat()),
    ...(tls?.made ? [tls.cert, tls.key] : []),
    ...(makesToken ? [valueIn(draft, TOKEN_FILE) as string] : []),
  ];
}
