import { forget, foundAt, keepOne, setKey, targetOf, unsetKey } from "../config/edit.ts";
import { inputText } from "../config/input.ts";
import { type Layer, parseLayer, type Problem, setLayer } from "../config/layer.ts";
import { DEFAULT_FILE, problemText } from "../config/load.ts";
import { read } from "../config/read.ts";
import { reasonOf } from "../config/reason.ts";
import { masked, tomlValue } from "../config/render.ts";
import { cut, SHOWN } from "../config/shown.ts";
import { settings } from "../config/table.ts";
import { hintText } from "./args.ts";
import { StartError } from "../host/errors.ts";
import { type Command, SOURCES } from "./command.ts";
import { writeFiles } from "./terminal/write.ts";
import { Remote, type Served, whyNoActions } from "./client/remote.ts";
import { say } from "./terminal/say.ts";

export const set: Command = {
  name: "set",
  about: "Set one key in the configuration file, in place: all else stays as it is.",
  more: [
    "VALUE is TOML, and a bare word is a text. Nothing is written when the file with the new value would have a problem. Keys that need one another are set together, by their section.",
  ],
  operands: [
    {
      name: "KEY",
      completes: "key",
      about: "A key with the tables around it, as logger.log_level.",
    },
    {
      name: "VALUE",
      completes: "value",
      optional: true,
      about: "Its value; -- before it lets it begin with a dash.",
    },
  ],
  flags: [
    ...SOURCES.filter(({ name }) => name === "config"),
    { name: "default", about: "Take the key, or all of a section, out of the file instead." },
    {
      name: "reload",
      about:
        "Then have the running server read the file again; needs its token, as SUMMONER_TOKEN or web.token_file.",
    },
  ],
  examples: [
    ["set port 9000", "Sets a key in ./summoner.toml."],
    ["set logger.log_level DEBUG --reload", "Sets a key in the running server too."],
    ["set port --default", "Goes back to the default."],
    [`set tls '{ cert = "a.pem", key = "b.pem" }'`, "Sets two keys at once."],
  ],
  run(args, { program }) {
    const file = args.flags.get("config")?.[0] ?? DEFAULT_FILE;
    const [key = "", value] = args.operands;
    const [toDefault, reloads] = [args.flags.has("default"), args.flags.has("reload")];
    if (toDefault !== (value === undefined)) {
      say.error(
        toDefault
          ? "VALUE: not with --default"
          : "VALUE: missing; --default goes back to the default instead",
      );
      say.log(hintText(program, set));
      return 2;
    }
    const text = textOf(file, program);
    const plan = typeof text === "string" ? planOf(file, text, key, value, reloads) : [text];
    if (!("edited" in plan)) {
      for (const problem of plan) say.error(problemText(problem));
      return 2;
    }
    if (typeof text === "string" && plan.edited !== text) {
      writeFiles([{ path: file, content: plan.edited, secret: false }], {
        path: file,
        content: text,
      });
    }
    if (!args.flags.has("quiet")) for (const line of plan.told) process.stdout.write(`${line}\n`);
    return reloads ? reload(plan.before) : 0;
  },
};

/** The text of a TOML file, or the problem that there is none to edit. */
function textOf(file: string, program: string): string | Problem {
  if (file.toLowerCase().endsWith(".json")) {
    const message = `only TOML is edited; ${program} init --from ${file} converts it`;
    return { where: file, message };
  }
  try {
    return inputText(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") {
      return { where: file, message: `there is no such file; ${program} init writes one` };
    }
    return { where: file, message: `cannot be read: ${reasonOf(error)}` };
  }
}

/** A change of a file, checked and ready to be written. */
interface Plan {
  /** The configuration so far, which a running server has. */
  readonly before: Served;
  readonly edited: string;
  /** The changes, a line for each key. */
  readonly told: readonly string[];
}

/**
 * The change that sets a key, or without a value removes it; or all problems of the file as it would be.
 * @param reloads true if the server will say what takes a restart: it knows what it runs with
 */
function planOf(
  file: string,
  text: string,
  key: string,
  value: string | undefined,
  reloads: boolean,
): Plan | readonly Problem[] {
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  let edited = text.slice(mark.length);
  const layer = parseLayer(file, edited);
  if ("message" in layer) return [layer];
  const target = targetOf(settings, key, "set");
  if ("message" in target) return [target];
  const given =
    value === undefined ? null : { ...(setLayer(`${key}=${value}`) as Layer), name: "set" };
  const told: string[] = [];
  // Parsed once more, to be read without the old values: a wrong one may be put right by this change.
  const others = parseLayer(file, edited) as Layer;
  for (const [path, option] of target.options) {
    const was = foundAt(layer.values, path, option);
    const is = given ? foundAt(given.values, path, option) : undefined;
    if ((given ? is : was) === undefined) continue;
    forget(others.values, path, option);
    edited = keepOne(edited, path, option);
    const [before, after] = [was ?? option.initial, is ?? option.initial];
    const shown = (value: unknown) =>
      value === null ? "(not given)" : cut(tomlValue(masked(option, value)), SHOWN);
    if (Bun.deepEquals(before, after)) told.push(`${path}: ${shown(after)}, as it was`);
    else {
      const restart = option.live || reloads ? "" : " takes a restart";
      told.push(`${path}: ${shown(before)} -> ${shown(after)}${restart}`);
    }
    if (Bun.deepEquals(was, is)) continue;
    edited = is === undefined ? unsetKey(edited, path, option) : setKey(edited, path, option, is);
  }
  const after = read(settings, given ? [others, given] : [others]);
  if (after.problems.length > 0) return after.problems;
  const written = parseLayer(file, edited);
  if ("message" in written || !Bun.deepEquals(read(settings, [written]).config, after.config)) {
    throw new Error(`the edit of ${key} has gone wrong; ${file} stays as it was`);
  }
  if (told.length === 0) told.push(`${key}: nothing to change in ${file}`);
  const before = { ...read(settings, [layer]), file };
  return { before, edited: mark + edited, told };
}

/** Has the server of this configuration read its file again. @throws StartError when it does not */
async function reload(before: Served): Promise<number> {
  const why = whyNoActions(before.config);
  if (why === null) {
    const remote = new Remote(before);
    await remote.confirm();
    process.stdout.write(`${await remote.post("/admin/reload")}\n`);
    return 0;
  }
  const pid = await pidOf(before);
  const kill = pid === null ? "kill -HUP with its process id" : `kill -HUP ${pid}`;
  say.error(`${why}, so the server was not told; ${kill} tells one that runs without a terminal`);
  return 1;
}

/** The process id of the server of this configuration, or null if it does not tell. */
async function pidOf(served: Served): Promise<number | null> {
  try {
    const { pid } = await new Remote(served).confirm();
    return Number.isSafeInteger(pid) ? (pid as number) : null;
  } catch (error) {
    if (error instanceof StartError) return null;
    throw error;
  }
}
