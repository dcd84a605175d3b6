import { hostname } from "node:os";
import { hostIn } from "../../config/option.ts";
import { cut } from "../../config/shown.ts";
import { systemClock, within } from "../../host/clock.ts";
import { count } from "../../host/count.ts";
import { StartError } from "../../host/errors.ts";
import { addressText } from "../../host/service.ts";
import { DOOR_NAMES, type DoorName } from "../../services/collector/doors/door.ts";
import { doorPlace, openDoors } from "../../services/collector/doors/places.ts";
import { levelOf } from "../../services/collector/levels.ts";
import type { Arguments } from "../command.ts";
import { destinationAt } from "../client/destination.ts";
import { say } from "../terminal/say.ts";
import type { Subcommand } from "../subcommand.ts";
import { GrpcSender } from "./senders/grpc.ts";
import { HttpSender } from "./senders/http.ts";
import type { RecordSender, SendOptions, SentRecord } from "./senders/sender.ts";
import { TcpSender } from "./senders/tcp.ts";
import { jsonLine, syslogMessage, TextSender } from "./senders/text.ts";
import { LEVEL_FLAG, LEVEL_NAMES, logSettings, tokenOf } from "./settings.ts";
import { batchesOf } from "./texts.ts";

const NAME = "summoner";
const TIMEOUT_SECONDS = 5;

const OPENING: Readonly<Record<DoorName, (options: SendOptions) => Promise<RecordSender>>> = {
  tcp: (options) => TcpSender.open(options),
  grpc: (options) => GrpcSender.open(options),
  http: (options) => HttpSender.open(options),
  syslog: (options) => TextSender.open(options, syslogMessage),
  lines: (options) => TextSender.open(options, jsonLine),
};

export const send: Subcommand = {
  name: "send",
  about:
    "send: send records to the collector, the messages given or else the lines of standard input, and tell how many it has acknowledged.",
  takesFile: false,
  words: {
    name: "MESSAGE",
    about: "For send: a message; without any, each line of standard input is one.",
  },
  flags: [
    {
      name: "door",
      value: "DOOR",
      choices: DOOR_NAMES,
      about: `send: by which door: ${DOOR_NAMES.join(", ")}; default the first that is open.`,
    },
    LEVEL_FLAG,
    {
      name: "count",
      value: "N",
      about: "send: how many times, with a number behind each message if more than once.",
    },
    { name: "name", value: "NAME", about: `send: the name of their logger; default ${NAME}.` },
    {
      name: "host",
      value: "HOST",
      about: "send: address of the collector; default collector.host.",
    },
    { name: "port", value: "PORT", about: "send: port of the door; default that of the settings." },
    { name: "insecure", about: "send: with TLS, take any certificate." },
    {
      name: "timeout",
      value: "SECONDS",
      about: `send: how long the collector may take to acknowledge the last ones; default ${TIMEOUT_SECONDS}.`,
    },
  ],
  examples: [
    ["send 'Hello, collector.'", "Sends one record, and tells whether it is kept."],
    ["send --door syslog --level error --count 1000 test", "Sends a thousand by another door."],
  ],
  async run({ args, files: messages }) {
    const wanted = wantedOf(args);
    if (wanted === null) return 2;
    const { options, door, seconds } = wanted;
    const sender = await OPENING[door](options);
    const where = `${addressText(options.to.host, options.to.port)} (${door})`;
    let sent = 0;
    try {
      let goesOn = true;
      for await (const batch of batchesOf(messages, wanted.times)) {
        goesOn = await sender.send(batch.map((message) => wanted.record(message)));
        if (!goesOn) break;
        sent += batch.length;
      }
      const answered = goesOn && (await within(systemClock, seconds * 1000, sender.finish()));
      return told(where, sent, sender.acknowledged, answered, seconds);
    } finally {
      sender.close();
    }
  },
};

/** @param answered null when that took too long */
function told(
  where: string,
  sent: number,
  acknowledged: number | null,
  answered: boolean | null,
  seconds: number,
): number {
  const end =
    acknowledged === null ? "this door acknowledges nothing" : `${acknowledged} acknowledged`;
  process.stdout.write(`${where}: ${count(sent, "record")} sent, ${end}\n`);
  if (answered === null)
    say.error(`${where} has not read everything within ${seconds} s; --timeout gives it longer`);
  else if (!answered) say.error(`${where} closed the connection before it had read everything`);
  return answered === true && (acknowledged ?? sent) === sent ? 0 : 1;
}

interface SendWanted {
  readonly door: DoorName;
  readonly options: SendOptions;
  readonly seconds: number;
  readonly times: number;
  record(message: string): SentRecord;
}

/** What a command line asks for; null if there are problems, which have been told. @throws StartError when the door is not open */
function wantedOf(args: Arguments): SendWanted | null {
  const { flags } = args;
  const flag = (name: string) => flags.get(name)?.[0];
  const { config, own, where, problems } = logSettings(args);
  const usual = openDoors(config)[0] ?? "tcp";
  const door = DOOR_NAMES.find((name) => name === (flag("door") ?? usual)) ?? usual;
  if (flag("door") !== undefined && flag("door") !== door)
    problems.push(`--door: found ${flag("door")}; allowed: ${DOOR_NAMES.join(", ")}`);
  const level = levelOf(flag("level") ?? "info");
  if (level === null) problems.push(`--level: found ${flag("level")}; allowed: ${LEVEL_NAMES}`);
  const times = Number(flag("count") ?? 1);
  if (!Number.isSafeInteger(times) || times < 1)
    problems.push(`--count: found ${flag("count")}; allowed: a whole number from 1`);
  const seconds = Number(flag("timeout") ?? TIMEOUT_SECONDS);
  if (!(seconds > 0))
    problems.push(`--timeout: found ${flag("timeout")}; allowed: a number of seconds above 0`);
  const place = doorPlace(config, door);
  const host = hostIn(flag("host") ?? place.host);
  if (host === undefined)
    problems.push(
      `--host: found ${cut(flag("host") ?? "")}; allowed: an address or a name, without a port`,
    );
  const port = Number(flag("port") ?? place.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    problems.push(`--port: found ${flag("port")}; allowed: a whole number from 1 to 65535`);
  for (const problem of problems) say.error(problem);
  if (problems.length > 0) return null;
  const isNamed = flags.has("host") || flags.has("port");
  if (!isNamed && !own.enabled)
    throw new StartError(
      `the collector is off in ${where}; --host and --port name one that runs with other settings`,
    );
  if (!isNamed && !openDoors(config).includes(door))
    throw new StartError(`the door ${door} is closed in ${where}`);
  const token = tokenOf(own);
  const to = destinationAt({ ...place, host: host as string, port }, where, flags.has("insecure"));
  const texts = {
    hostname: hostname(),
    loggerName: flag("name") ?? NAME,
    processId: `${process.pid}`,
  };
  return {
    door,
    options: { to, token },
    seconds,
    times,
    record: (message) => ({
      level: level as number,
      texts: { ...texts, timestamp: new Date(systemClock.wall()).toISOString(), message },
    }),
  };
}
