import { choice, flag, host, text, whole } from "../option.ts";
import { section } from "../section.ts";
import { ownAccess } from "./access.ts";
import { BYTES_MAX, COUNT_MAX, live, MS_MAX, nonEmpty } from "./bounds.ts";
import {
  doorContradictions,
  questions,
  lineKeys,
  moreDoors,
  type Whole,
} from "./collector-doors.ts";
import { connectedClients } from "./limits.ts";
import { ownTls } from "./tls.ts";

const WIDTH_MAX = 1000;

function width(initial: number, of: string) {
  return whole(initial, [1, WIDTH_MAX], `Characters of the column ${of}.`);
}

export const collector = section(
  "Collects the logs of other programs, by Cap'n Proto, gRPC, OpenTelemetry, syslog or line by line, in one ordered, rotating file.",
  {
    enabled: flag(false, "Whether it runs."),
    host: host(
      "127.0.0.1",
      "Address that all its doors listen on. Anywhere but on loopback, clients need a certificate, an access list or, for gRPC and HTTP, a token.",
    ),
    tcp: flag(true, "Take Cap'n Proto over TCP."),
    port: whole(9020, [0, 65_535], "TCP port for Cap'n Proto; 0 takes a free one."),
    grpc_port: whole(9021, [0, 65_535], "Port for gRPC; 0 takes a free one."),
    tcp_only: flag(false, "Leave gRPC out."),
    ...moreDoors,
    token_file: text(
      "",
      "File with a token on its first line, at least 16 characters, that clients of gRPC and HTTP have to show. Empty means none.",
      live,
    ),
    allow_open: flag(
      false,
      "Listen on other addresses than loopback without client certificates or an access list: everybody who can connect may write, over gRPC and HTTP only with the token if there is one.",
    ),
    path: text(
      "logs/_main.log",
      "The file; like every path here, a relative one begins in the working directory. Rotated ones are named .0, which is the newest, .1 and so on.",
      nonEmpty,
    ),
    format: choice(
      "columns",
      ["columns", "json"],
      "columns: lines of columns, for people. json: a JSON object a line, with every field.",
    ),
    extra_fields: flag(
      false,
      "Add the fields that have no column to the end of each line: module, path, process, thread, service and stack.",
    ),
    hash_chain: flag(
      false,
      "End each line in a hash over the one before and itself, so that `logs verify` finds what was changed or deleted.",
    ),
    hash_key_file: text(
      "",
      "File with a key on its first line, at least 16 characters, without which nobody can make those hashes. Empty means none.",
    ),
    durability: choice(
      "batch",
      ["none", "batch", "always"],
      "When an entry is on disk. always: before it is acknowledged. batch: within milliseconds; TCP clients that ask are told when. none: when the system likes.",
    ),
    max_file_bytes: whole(
      64 * 2 ** 20,
      [1024, BYTES_MAX],
      "Size of the file before it is rotated; a longer line gets a file of its own.",
      live,
    ),
    backup_count: whole(10, [0, 10_000], "How many rotated files are kept.", live),
    compress: choice(
      "none",
      ["none", "zstd"],
      "What happens to rotated files, except the newest. zstd: each is compressed, beside the writing.",
      live,
    ),
    retention_days: whole(
      0,
      [0, 36_500],
      "Days after which a rotated file is removed; 0 means never.",
      live,
    ),
    max_total_bytes: whole(
      0,
      [0, BYTES_MAX],
      "Bytes that all rotated files may have together; the oldest are removed. 0 means any number.",
      live,
    ),
    initial_batch_size: whole(
      100,
      [10, 1000],
      "Entries that are written together at first; from then on as many as the load asks for, 10 to 1000.",
    ),
    buffer_size: whole(
      1024,
      [1, COUNT_MAX],
      "Entries of all doors that may wait for the disk; while there are more, clients are not read.",
      live,
    ),
    buffer_bytes: whole(
      64 * 2 ** 20,
      [2 ** 20, BYTES_MAX],
      "Bytes of lines that may wait for the disk, or for being synced; while there are more, clients are not read.",
      live,
    ),
    max_retries: whole(
      3,
      [0, 100],
      "Quick attempts on a disk that refuses; after them it counts as blocked, and is tried every 2 seconds.",
    ),
    retry_delay_ms: whole(
      100,
      [1, MS_MAX],
      "Milliseconds before the first of them; each later one waits twice as long.",
      live,
    ),
    max_message_bytes: whole(
      2 ** 20,
      [256, 10 * 2 ** 20],
      "Largest message of a client, packed and unpacked; a larger one closes its connection.",
    ),
    ...connectedClients,
    line_keys: lineKeys,
    widths: section("Widths of the columns. The timestamp and the message are never cut.", {
      timestamp: width(33, "of the sender's timestamp, which is filled up to it"),
      hostname: width(12, "of the host's name"),
      logger: width(15, "of the logger's name"),
      level: width(8, "of the level"),
      filename: width(20, "of the source file's name"),
      function: width(25, "of the function's name"),
      line: width(6, "of the line's number"),
    }),
    tls: ownTls("the collector"),
    access: ownAccess("the collector"),
  },
  {
    contradictions: (own, whole) => doorContradictions(own, whole as Whole),
    questions,
    folders: ({ enabled, path }) =>
      enabled && path !== "" ? [{ key: "path", isFile: true, holds: "logs" }] : [],
  },
);
