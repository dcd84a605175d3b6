import { PASSWORD_VARIABLE } from "../../config/sections/cluster.ts";
import { hasPassword, withoutSecrets, withPassword } from "../../config/sections/cluster-url.ts";
import type { Option } from "../../config/option.ts";
import { masked } from "../../config/render.ts";
import { MAIN_SERVICE } from "../../config/services.ts";
import type { Config } from "../../config/table.ts";
import { printable } from "../../host/content.ts";
import { count } from "../../host/count.ts";
import { messageOf } from "../../host/errors.ts";
import { askSecret, askText, BACK, type Back, tell } from "./ask.ts";
import { answered, type Draft, givenIn, isOn, OPTIONS, rendered, valueIn } from "./draft.ts";
import type { Step } from "./step.ts";

const PATH = "cluster.url";
const TITLE = "One room over several machines: by which server?";
const ABOUT = `${PATH}: a Redis or Valkey server that all of them reach, as redis://10.0.0.5:6379, or rediss:// for TLS. Leave the password out: it is asked for if the server wants one.`;
/** The answer that takes a server away. */
const NONE = "none";
/** Most names of nodes that are told. */
const MOST_NAMES = 5;

/** The outcome of a look at the server of a room. */
export interface Look {
  /** In a sentence. */
  readonly said: string;
  readonly isThere: boolean;
  /** True if it asks for a password, or for another one. */
  readonly wantsPassword: boolean;
}

/** Tries the server of a room, and looks who is in the room. */
export async function lookAtRoom(cluster: Config["cluster"]): Promise<Look> {
  const where = withoutSecrets(cluster.url);
  // Opened late: whoever shares no room needs none of it.
  const [{ lookAt }, { isLogin }] = await Promise.all([
    import("../../services/relay/order/redis/server/look.ts"),
    import("../../services/relay/order/redis/server/why-not.ts"),
  ]);
  try {
    const names = (await lookAt(cluster)).map(printable);
    const first = names.slice(0, MOST_NAMES).join(", ");
    const more = names.length > MOST_NAMES ? " and others" : "";
    const who =
      names.length === 0
        ? "nobody is in it yet"
        : `there ${names.length === 1 ? "is" : "are"} ${count(names.length, "node")} in it: ${first}${more}`;
    const said = `${where} answers. The room is called ${cluster.room}; ${who}.`;
    return { said, isThere: true, wantsPassword: false };
  } catch (error) {
    const reason = messageOf(error);
    const said = `${where} cannot be used at present: ${reason}`;
    return { said, isThere: false, wantsPassword: isLogin(reason) };
  }
}

/** The question about the server of the room. */
export function clusterStep(target: string): Step {
  return {
    applies: (draft) => isOn(draft, MAIN_SERVICE),
    ask: (draft) => askServer(draft, target),
  };
}

async function askServer(draft: Draft, target: string): Promise<Draft | Back> {
  const option = OPTIONS.get(PATH) as Option<unknown>;
  const current = valueIn(draft, PATH) as string;
  const known = masked(option, current) as string;
  const way = known === "" ? "Empty: none" : `"${NONE}": none`;
  /** A server that could not be used; whoever answers it again insists on it. */
  let doubted = "";
  for (;;) {
    const about = `${ABOUT} ${way}, this one has its room for itself.`;
    const typed = await askText(TITLE, about, doubted || known, (found) =>
      [known, NONE].includes(found) ? null : fault(option, found),
    );
    if (typed === BACK) return BACK;
    if (typed === "" || typed === NONE) return answered(draft, PATH, "");
    const url = typed === known ? current : typed;
    if (typed === doubted) return answered(draft, PATH, url);
    // As it was typed, without a password; or as it is known, with nothing of its user.
    tell.info(`Trying ${typed}`);
    const next = await tried(answered(draft, PATH, url), target);
    if (next !== null) return next;
    doubted = typed;
  }
}

/** The fault of a text that should be a server, in words that show no secret; null for none. */
function fault(option: Option<unknown>, found: string): string | null {
  if (option.read(found) === undefined) {
    return `${option.fault?.(found) ?? "it cannot be taken"}; allowed: ${option.allowed}`;
  }
  if (hasPassword(found)) return "leave the password out: it is asked for, and not shown";
  return null;
}

/** Tries the server of a draft, with a password if it wants one. @returns null when it cannot be used */
async function tried(draft: Draft, target: string): Promise<Draft | null> {
  let next = draft;
  for (;;) {
    const { cluster } = rendered(target, givenIn(next)).config;
    const { said, isThere, wantsPassword } = await lookAtRoom(cluster);
    if (isThere) {
      tell.done(said);
      return next;
    }
    tell.warn(said);
    if (!wantsPassword || process.env[PASSWORD_VARIABLE]) break;
    const password = await askSecret(
      `The password of ${withoutSecrets(cluster.url)}`,
      `It is kept in ${target}, which nobody else may read then. Empty: it is not kept; the server has to find it in its environment as ${PASSWORD_VARIABLE}.`,
      () => null,
    );
    if (password === BACK) return null;
    if (password === "" || password === undefined) {
      return answered(draft, PATH, withPassword(cluster.url, ""));
    }
    next = answered(draft, PATH, withPassword(cluster.url, password));
  }
  tell.info("Enter keeps it all the same.");
  return null;
}
