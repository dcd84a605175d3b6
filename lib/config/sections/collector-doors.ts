import { meansLoopback } from "../loopback.ts";
import { flag, list, type Option, whole } from "../option.ts";
import { type Contradiction, overlay, type Question, section } from "../section.ts";
import { live } from "./bounds.ts";

const PORTS = [0, 65_535] as const;

/** The doors besides Cap'n Proto and gRPC. */
export const moreDoors = {
  http: flag(
    false,
    "Take the logs of OpenTelemetry over HTTP too; over gRPC they are taken without it.",
  ),
  http_port: whole(4318, PORTS, "Port for OpenTelemetry over HTTP; 0 takes a free one."),
  max_request_bytes: whole(
    4 * 2 ** 20,
    [2 ** 16, 64 * 2 ** 20],
    "Largest request of OpenTelemetry, packed and unpacked; a larger one is refused. For each of its records max_message_bytes holds.",
  ),
  syslog: flag(false, "Take syslog, over TCP and UDP."),
  syslog_port: whole(6514, PORTS, "Port for syslog; 0 takes free ones."),
  lines: flag(false, "Take lines of plain text or of JSON over TCP."),
  lines_port: whole(9022, PORTS, "Port for lines; 0 takes a free one."),
};

/** What the wizard asks. */
export const questions: readonly Question[] = [
  {
    title: "How do programs send their logs, besides gRPC?",
    flags: [
      { key: "tcp", label: "Cap'n Proto over TCP" },
      { key: "http", label: "OpenTelemetry over HTTP", hint: "port 4318" },
      { key: "syslog", label: "syslog over TCP and UDP", hint: "port 6514" },
      { key: "lines", label: "Lines of text or of JSON over TCP", hint: "port 9022" },
    ],
  },
  {
    key: "access.allow",
    title: "Which addresses may send? As 10.0.0.0/8, 192.168.1.5",
    settles: "host",
    applies: (valueOf) => !meansLoopback(String(valueOf("host"))),
  },
];

function keys(initial: readonly string[], of: string): Option<readonly string[]> {
  const allowed = 'a list of keys, as ["msg", "message"]; "err.stack" is the key stack within err';
  return { ...list(`Keys of ${of}.`, allowed, () => true, live), initial };
}

/** The fields of a line of JSON. */
export const lineKeys = section(
  "Where the fields of a line of JSON are found: the first key that it has counts. All other keys are kept as attributes.",
  {
    timestamp: keys(["time", "timestamp", "ts", "@timestamp"], "the sender's timestamp"),
    level: keys(["level", "severity"], "the level: a name, or a number as pino has it"),
    message: keys(["msg", "message"], "the message"),
    hostname: keys(["hostname", "host"], "the host's name"),
    logger: keys(["name", "logger"], "the logger's name"),
    process: keys(["pid"], "the process's number"),
    service: keys(["service"], "the service's name"),
    filename: keys(["file", "filename"], "the source file's name"),
    function: keys(["function", "func"], "the function's name"),
    line: keys(["line", "lineno"], "the line's number in the source file"),
    stack: keys(["err.stack", "error.stack", "stack", "stacktrace"], "the stack of an error"),
  },
);

/** The settings that tell which doors are open, and who may use them. */
interface Guarded {
  readonly enabled: boolean;
  readonly host: string;
  readonly tcp: boolean;
  readonly tcp_only: boolean;
  readonly http: boolean;
  readonly syslog: boolean;
  readonly lines: boolean;
  readonly token_file: string;
  readonly allow_open: boolean;
  readonly tls: { readonly require_client_cert: boolean | null };
  readonly access: { readonly allow: readonly string[] | null };
}

/** The settings of the whole server that guard every service. */
export interface Whole {
  readonly tls: { readonly require_client_cert: boolean };
  readonly access: { readonly allow: readonly string[] };
}

/** The contradictions among the doors: none is open, or everybody may write who is not meant to. */
export function doorContradictions(own: Guarded, whole: Whole): readonly Contradiction[] {
  if (!own.enabled) return [];
  const { tcp, tcp_only, http, syslog, lines } = own;
  if (!tcp && tcp_only && !http && !syslog && !lines) {
    return [
      { key: "tcp", message: "false, and so are all other doors: nothing could be collected" },
    ];
  }
  return guardContradictions(own, whole);
}

function guardContradictions(own: Guarded, whole: Whole): readonly Contradiction[] {
  const isGuarded =
    own.allow_open ||
    overlay(whole.tls, own.tls).require_client_cert ||
    overlay(whole.access, own.access).allow.length > 0;
  if (meansLoopback(own.host) || isGuarded) return [];
  // Their protocols have no place for a token.
  const open = ["tcp", "syslog", "lines"].filter((door) => own[door as "tcp" | "syslog" | "lines"]);
  const known =
    "set collector.tls.require_client_cert or collector.access.allow, or collector.allow_open to let everybody write";
  if (open.length > 0) {
    const doors = open.map((door) => `collector.${door}`).join(" and ");
    const message = `${own.host} is not loopback, and clients of ${doors} can show no token; ${known}`;
    return [{ key: "host", message }];
  }
  if (own.token_file !== "") return [];
  const message = `${own.host} is not loopback, so clients have to be known: set collector.token_file, or ${known}`;
  return [{ key: "host", message, token: "token_file" }];
}
