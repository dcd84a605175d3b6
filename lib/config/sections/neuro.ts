import { meansLoopback } from "../loopback.ts";
import { choice, flag, host, list, text, whole } from "../option.ts";
import { section } from "../section.ts";
import { ownAccess } from "./access.ts";
import { BYTES_MAX, COUNT_MAX, live, MS_MAX, nonEmpty, SECONDS_MAX } from "./bounds.ts";
import { connectedClients } from "./limits.ts";
import { type BrainName, BRAINS, isBrain, QUESTIONS } from "./neuro/brains.ts";
import { faults } from "./neuro/faults.ts";
import { keyRemarks, llm } from "./neuro/llm.ts";
import { ownTls } from "./tls.ts";

export const neuro = section(
  "The Neuro game API over WebSocket: games register actions, and a brain chooses among them.",
  {
    enabled: flag(false, "Whether it runs."),
    host: host("127.0.0.1", "Address it listens on. The protocol knows no tokens: see access."),
    port: whole(8000, [0, 65_535], "Its TCP port; 0 takes a free one."),
    brain: text(
      "random",
      "Who plays. random: by chance, with data that fits the schemas. console: a person, in the terminal that the server runs in. llm: a model, see [neuro.llm]. web: a person, in the dashboard. scenario: the file of scenario. A module exports chooseForceAction, and addContext if it likes.",
      { check: (found) => (isBrain(found) ? null : "no brain"), allowed: BRAINS },
    ),
    brains: list(
      "Brains for games of their own.",
      `a list of texts GAME=BRAIN, as ["Slay the Spire=random"], where BRAIN is ${BRAINS}`,
      (item) => item.lastIndexOf("=") > 0 && isBrain(item.slice(item.lastIndexOf("=") + 1)),
    ),
    random_seed: whole(
      1,
      [0, 2 ** 32 - 1],
      "Seed of the random brain: the same choices for the same forces of a game.",
    ),
    random_delay_ms: whole(
      500,
      [0, MS_MAX],
      "How long the random brain thinks, in milliseconds.",
      live,
    ),
    scenario: text(
      "",
      "File of scenarios that the brain scenario plays with each game that comes, in TOML or TypeScript.",
    ),
    character_id: text(
      "neuro",
      "Character that games are told they are connected to: neuro, or evil.",
      { ...live, ...nonEmpty },
    ),
    display_name: text(
      "Neuro-sama",
      "The character's name as people see it; that of evil is Evil Neuro.",
      { ...live, ...nonEmpty },
    ),
    acknowledge: flag(
      true,
      "Answer startup with the character, as servers do since 2026-07.",
      live,
    ),
    result_timeout_secs: whole(
      20,
      [1, SECONDS_MAX],
      "Seconds that a game may take to answer an action; then the action has failed, and its force ends without a retry.",
      live,
    ),
    force_retries: whole(
      5,
      [0, 1000],
      "How often a force is chosen for again whose action failed.",
      live,
    ),
    choice_timeout_secs: whole(
      120,
      [0, SECONDS_MAX],
      "Seconds that a brain may take to choose, unless it is a person; then the force ends. 0 is for ever.",
      live,
    ),
    compat: choice(
      "current",
      ["current", "before-2026-08"],
      "What happens to an action whose name is registered already. current: the new one replaces it. before-2026-08: it is ignored.",
      live,
    ),
    strict: flag(
      false,
      "Refuse actions whose names have other characters than a to z, 0 to 9, _ and -.",
      live,
    ),
    reregister: choice(
      "auto",
      ["auto", "always", "never"],
      "When a connection is asked to register its actions again. auto: when it has said nothing for 1.5 seconds, as kits do after a reconnect. always: at once.",
      live,
    ),
    action_scope: choice(
      "connection",
      ["connection", "character"],
      "What names of actions have to differ in. character: all games together, as in production; a name that two have is told to both.",
      live,
    ),
    max_actions: whole(1000, [1, 100_000], "How many actions a game may have.", live),
    max_message_bytes: whole(
      16 * 2 ** 20,
      [1024, 2 ** 30],
      "Longest message of a game; a longer one closes its connection with 1009.",
    ),
    outbox_bytes: whole(
      16 * 2 ** 20,
      [4096, BYTES_MAX],
      "Bytes that may wait for one game; while there are more, it is not read.",
      live,
    ),
    record: text(
      "",
      "Folder that the session of each connection is recorded in, for replays. Empty means none.",
      live,
    ),
    record_file_bytes: whole(
      16 * 2 ** 20,
      [4096, 2 ** 29],
      "Longest record of one connection; when it is full, it ends.",
      live,
    ),
    record_files: whole(
      100,
      [1, 100_000],
      "How many records the folder keeps; the oldest make room for new ones.",
      live,
    ),
    serve_game: text(
      "",
      "Folder of a game's build for the web, which is served over HTTP on the same port. Empty means none.",
    ),
    control: flag(
      false,
      "Send games what is posted to control_port, as the official test server does.",
    ),
    control_host: host(
      "127.0.0.1",
      "Address that the control listens on. Anywhere but on loopback, access has to say who may.",
    ),
    control_port: whole(1337, [0, 65_535], "Its TCP port; 0 takes a free one."),
    ...faults,
    ...connectedClients,
    llm,
    speech: section("Simulated speaking, which shows what the priority of a force does.", {
      words_per_minute: whole(
        0,
        [0, COUNT_MAX],
        "How fast it is spoken; 0 means that nothing is.",
        live,
      ),
      announce: flag(true, "Send speech_finished to the game that was spoken to.", live),
    }),
    tls: ownTls("the Neuro API"),
    access: ownAccess("the Neuro API"),
  },
  {
    contradictions: (own, whole) => [
      ...modelContradictions(own),
      ...scenarioContradictions(own),
      ...controlContradictions(own, whole as Accessible),
    ],
    folders: ({ enabled, record }) =>
      enabled && record !== "" ? [{ key: "record", holds: "state" }] : [],
    remarks: (given, own) => [
      ...(plays("llm", own) ? keyRemarks(own.llm) : []),
      ...openRemarks(given, own),
    ],
    questions: QUESTIONS,
  },
);

/** True if a brain of the program plays a game. */
function plays(name: BrainName, { enabled, brain, brains }: Who): boolean {
  return enabled && [brain, ...brains].some((one) => one.slice(one.lastIndexOf("=") + 1) === name);
}

interface Who {
  readonly enabled: boolean;
  readonly brain: string;
  readonly brains: readonly string[];
}

function modelContradictions(own: Who & { readonly llm: { readonly model: string } }) {
  if (!plays("llm", own) || own.llm.model !== "") return [];
  return [{ key: "llm.model", message: "the brain llm plays, so a model has to be named" }];
}

function scenarioContradictions(own: Who & { readonly scenario: string }) {
  if (!plays("scenario", own) || own.scenario !== "") return [];
  return [{ key: "scenario", message: "the brain scenario plays, so a file has to be named" }];
}

/** Remarks for the operator on a service that anybody may connect to. */
function openRemarks(
  given: Pick<ReadonlySet<string>, "has">,
  { enabled, host }: { readonly enabled: boolean; readonly host: string },
): readonly string[] {
  const isLimited = given.has("access.allow") || given.has("neuro.access.allow");
  if (!enabled || meansLoopback(host) || isLimited) return [];
  return [
    `neuro.host: ${host} is not loopback and the protocol knows no tokens, so whoever reaches it may connect; name those who may in neuro.access.allow`,
  ];
}

/** Something with access lists. */
interface Accessible {
  readonly access: { readonly allow: readonly string[] };
}

function controlContradictions(
  own: {
    readonly enabled: boolean;
    readonly control: boolean;
    readonly control_host: string;
    readonly access: { readonly allow: readonly string[] | null };
  },
  whole: Accessible,
) {
  const { enabled, control, control_host: host } = own;
  if (!enabled || !control || meansLoopback(host)) return [];
  if ((own.access.allow ?? whole.access.allow).length > 0) return [];
  const message = `${host} is not loopback, and the control knows no token; say who may connect in neuro.access.allow`;
  return [{ key: "control_host", message }];
}
