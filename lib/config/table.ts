import { isIP } from "node:net";
import { checkFormat } from "./line-format.ts";
import {
  choice,
  flag,
  inherited,
  list,
  listOrNull,
  section,
  text,
  type Values,
  whole,
  wholeOrNever,
} from "./option.ts";
import { checkDateFormat } from "./strftime.ts";

const BYTES_MAX = 2 ** 40;
const SECONDS_MAX = 10 ** 8;
const MS_MAX = 10 ** 9;
const COUNT_MAX = 10 ** 9;

const live = { live: true } as const;

const nonEmpty = {
  check: (found: string) => (found.trim() === "" ? "empty" : null),
  allowed: "text that is not empty",
};

/** An address or an address with a prefix length, IPv4 or IPv6. */
function isCidr(item: string): boolean {
  const [address = "", bits, ...rest] = item.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (bits === undefined) return true;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

const lineFormat = {
  ...live,
  check: checkFormat,
  allowed: "text with %(asctime)s, %(name)s, %(levelname)s and %(message)s; %% is a percent sign",
};

const CIDRS = 'a list of addresses or CIDR ranges, as ["10.0.0.0/8", "::1"]';

const tls = section(
  "TLS for every service. Give cert and key to switch it on; [relay.tls], [web.tls] and [store.tls] override it key by key for one service.",
  {
    cert: text("", "File with the certificate chain, PEM. Empty means no TLS.", live),
    key: text("", "File with the private key, PEM.", live),
    passphrase: text("", "Passphrase of an encrypted private key.", {
      ...live,
      secret: true,
    }),
    ca: text("", "File with the authorities that client certificates must come from, PEM.", live),
    require_client_cert: flag(
      false,
      "Serve only clients that present a certificate signed by ca.",
      live,
    ),
  },
);

const access = section(
  "Who may connect, for every service; deny wins. [relay.access], [web.access] and [store.access] override it key by key for one service.",
  {
    allow: list("Only these may connect. Empty means everybody.", CIDRS, isCidr, live),
    deny: list(
      "These may not connect, whatever allow says. A reload also closes those who are in.",
      CIDRS,
      isCidr,
      live,
    ),
  },
);

/** How many clients a service over TCP may have. */
const clients = {
  max_clients: whole(
    0,
    [0, COUNT_MAX],
    "How many clients may be connected; 0 takes what the process's limit of open files allows.",
    live,
  ),
  max_clients_per_address: whole(
    0,
    [0, COUNT_MAX],
    "How many clients may come from one address; 0 means a quarter of max_clients, and no limit on loopback.",
    live,
  ),
};

/** Every setting, once. The order is that of the shipped file and the reference. */
export const settings = {
  host: text(
    "127.0.0.1",
    "Address the relay listens on: 127.0.0.1 for this machine alone, 0.0.0.0 or :: for everybody.",
    { ...nonEmpty, shipped: "127.0.0.1" },
  ),
  port: whole(8888, [0, 65535], "TCP port of the relay; 0 takes a free one.", {
    shipped: 8888,
  }),
  version: choice(
    "python",
    ["python", "rust", "rust_v1.0.0", "rust_v1.1.0"],
    "The backend whose behaviour the relay takes: rust is guarded (rate limit, idle timeout, backpressure, quarantine), python is a plain broadcast with memory bounds only. Both run on the same engine.",
    { shipped: "rust" },
  ),
  name: text("summoner", "Name of this server in its log, and of its log file.", nonEmpty),
  drain_ms: whole(
    5000,
    [0, MS_MAX],
    "How long a stop waits for bytes that clients have not taken yet, in milliseconds.",
    live,
  ),
  logger: section("What is logged, and where.", {
    log_level: choice(
      "INFO",
      ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
      "Least severe level that is logged. Relayed lines are INFO.",
      live,
    ),
    enable_console_log: flag(
      true,
      "Log to standard output. Relayed lines are shown up to 20 a second there, then summed up.",
      live,
    ),
    console_log_format: text(
      "",
      "Format of a console line in the style of printf; ANSI colours are allowed. Empty means the built-in one.",
      lineFormat,
    ),
    enable_file_log: flag(false, "Log to a rotating file.", live),
    enable_json_log: flag(
      false,
      'Write the file as JSON lines: {"timestamp","name","level","message"}.',
      live,
    ),
    log_file_path: text("./logs", "Folder of the log files.", live),
    log_format: text(
      "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
      "Format of a line in the file when it is not JSON.",
      lineFormat,
    ),
    max_file_size: whole(
      1_000_000,
      [1, BYTES_MAX],
      "Size at which the log file is rotated, in bytes.",
      live,
    ),
    backup_count: whole(
      3,
      [0, 10_000],
      "How many rotated files are kept: NAME.log.1 is the newest.",
      live,
    ),
    date_format: text(
      "%Y-%m-%d %H:%M:%S.%3f",
      "Format of time stamps as in strftime; %f is microseconds, %3f milliseconds.",
      {
        ...live,
        check: checkDateFormat,
        allowed: "text with the directives of strftime",
      },
    ),
    log_keys: listOrNull(
      "Which fields of a relayed line are logged. Not given: the line whole. A list: only these keys, inside _payload and _type or at the top of a flat object. []: no content at all.",
      "a list of texts",
      live,
    ),
  }),
  hyper_parameters: section("The guards of the guarded backend.", {
    connection_buffer_size: whole(
      128,
      [1, COUNT_MAX],
      "How many fan-out reports the monitor takes in at one tick; more are dropped and counted.",
      live,
    ),
    command_buffer_size: whole(
      32,
      [1, COUNT_MAX],
      "How many commands (throttle, flow control, disconnect) the monitor may issue at one tick.",
      live,
    ),
    control_channel_capacity: whole(
      8,
      [1, COUNT_MAX],
      "How many commands may wait for one client.",
      live,
    ),
    queue_monitor_capacity: whole(
      100,
      [1, COUNT_MAX],
      "How many fan-out reports one client may stage between two ticks.",
      live,
    ),
    client_timeout_secs: wholeOrNever(
      300,
      SECONDS_MAX,
      "A client that sends no line for this many seconds is disconnected; an empty line counts as one.",
      { ...live, aliases: ["client_timeout"] },
    ),
    rate_limit_msgs_per_minute: whole(
      300,
      [1, COUNT_MAX],
      "Lines a client may send in a minute; more are refused with a warning.",
      { ...live, aliases: ["rate_limit"] },
    ),
    timeout_check_interval_secs: whole(
      30,
      [1, SECONDS_MAX],
      "Seconds between two looks for idle clients.",
      live,
    ),
    accept_error_backoff_ms: whole(
      100,
      [0, MS_MAX],
      "Milliseconds between two attempts to listen again after the listener failed.",
      live,
    ),
    quarantine_cooldown_secs: whole(
      300,
      [0, SECONDS_MAX],
      "Seconds for which a client that was disconnected by force may not come back; 0 switches the quarantine off.",
      live,
    ),
    quarantine_cleanup_interval_secs: whole(
      60,
      [1, SECONDS_MAX],
      "Seconds between two sweeps of ended quarantines.",
      live,
    ),
    throttle_delay_ms: whole(
      200,
      [0, MS_MAX],
      "How long a throttled client is not read, in milliseconds.",
      live,
    ),
    flow_control_delay_ms: whole(
      1000,
      [0, MS_MAX],
      "How long a client under flow control is not read, in milliseconds.",
      live,
    ),
    worker_threads: whole(
      0,
      [0, 1024],
      "Accepted for the reference's sake; 0 means automatic. This version serves with one thread.",
    ),
    backpressure_policy: section(
      "What happens to the sender of a line by its fan-out, the number of other clients it goes to. The strongest rule that applies acts.",
      {
        enable_throttle: flag(true, "Throttle senders (see throttle_delay_ms).", live),
        throttle_threshold: whole(
          100,
          [1, COUNT_MAX],
          "Fan-out from which a sender is throttled.",
          live,
        ),
        enable_flow_control: flag(
          true,
          "Put senders under flow control (see flow_control_delay_ms).",
          live,
        ),
        flow_control_threshold: whole(
          300,
          [1, COUNT_MAX],
          "Fan-out from which a sender is put under flow control.",
          live,
        ),
        enable_disconnect: flag(true, "Disconnect and quarantine senders.", live),
        disconnect_threshold: whole(
          500,
          [1, COUNT_MAX],
          "Fan-out from which a sender is disconnected. Set it above the size of your room.",
          live,
        ),
      },
    ),
  }),
  relay: section(
    "Lines over TCP: what a client sends goes to all others. These are its own bounds, in both backends.",
    {
      enabled: flag(true, "Whether the relay runs."),
      max_line_bytes: whole(
        65_536,
        [256, 16 * 2 ** 20],
        "Largest line that goes out, envelope and newline included; a line that would exceed it is refused. The SDK's client cannot read more than 65536.",
        live,
      ),
      outbox_bytes: whole(
        16 * 2 ** 20,
        [4096, BYTES_MAX],
        "Bytes that may wait for one client; a client that would need more is closed as slow.",
        live,
      ),
      total_outbox_bytes: whole(
        64 * 2 ** 20,
        [4096, BYTES_MAX],
        "Bytes that may wait for all clients together; above it all senders pause, and resume below half of it.",
        live,
      ),
      stall_ms: whole(
        500,
        [1, MS_MAX],
        "While senders pause, the client with the most waiting bytes is closed at this interval unless it has halved them.",
        live,
      ),
      ...clients,
      quarantine_by: choice(
        "auto",
        ["auto", "address", "address_and_port"],
        "What a quarantine applies to. auto: the address, but address and port on loopback, where one address is every agent.",
        live,
      ),
      monitor_interval_ms: whole(
        100,
        [1, MS_MAX],
        "Milliseconds between two ticks of the backpressure monitor.",
        live,
      ),
      tls: inherited("TLS of the relay alone; a key not given here follows [tls].", tls),
      access: inherited(
        "Access to the relay alone; a key not given here follows [access].",
        access,
      ),
    },
  ),
  web: section(
    "HTTP: health, metrics, admin and the dashboard, and a site of your own beside them. Admin actions exist where there is a token: in the environment as SUMMONER_TOKEN, or in token_file.",
    {
      enabled: flag(false, "Whether the web service runs.", { shipped: true }),
      host: text(
        "127.0.0.1",
        "Address it listens on. Anywhere but on loopback, everything except /healthz and /readyz needs the token.",
        { ...nonEmpty, shipped: "127.0.0.1" },
      ),
      port: whole(8889, [0, 65535], "Its TCP port; 0 takes a free one.", { shipped: 8889 }),
      token_file: text(
        "",
        "File with the token on its first line, at least 16 characters; the environment's SUMMONER_TOKEN wins. Empty means none.",
        live,
      ),
      dashboard: text("/", "Path of the dashboard.", {
        check: (found) => (/^\/[\w./-]*$/.test(found) ? null : "not a path"),
        allowed: "a path of letters, digits, dots, dashes and slashes that begins with a slash",
      }),
      handler: text(
        "",
        "Module whose default export answers requests that no built-in route takes; where it has a tick, that is called too. Empty means none.",
      ),
      ticker: text(
        "",
        "Module whose default export is a ticker, run apart from the server and started again when it dies. Empty means none.",
      ),
      static: text(
        "",
        "Folder whose files are served beside the built-in routes. Empty means none.",
      ),
      access_log: flag(
        false,
        "Log each request, at level INFO. On loopback, where every client is this machine, its address reads local.",
        live,
      ),
      max_body_bytes: whole(
        2 ** 20,
        [0, 2 ** 30],
        "Largest body of a request; more is answered 413.",
      ),
      request_timeout_ms: whole(
        30_000,
        [1, 240_000],
        "How long a request may take, its body included, in milliseconds; then it is answered 503.",
      ),
      max_streams: whole(
        1000,
        [1, COUNT_MAX],
        "How many event streams may be open; more are answered 503.",
        live,
      ),
      tls: inherited("TLS of the web service alone; a key not given here follows [tls].", tls),
      access: inherited(
        "Access to the web service alone; a key not given here follows [access].",
        access,
      ),
    },
  ),
  store: section("JSON key-value with namespaces and pub/sub over TCP.", {
    enabled: flag(false, "Whether the store runs."),
    host: text(
      "127.0.0.1",
      "Address it listens on. Anywhere but on loopback, clients need a token.",
      nonEmpty,
    ),
    port: whole(8890, [0, 65535], "Its TCP port; 0 takes a free one."),
    mode: choice(
      "store",
      ["store", "json", "echo"],
      "store: the key-value store. json: sends every line back that is JSON. echo: sends every byte back.",
    ),
    durability: choice(
      "batch",
      ["none", "batch", "always"],
      "When a change is on disk. always: before its reply leaves. batch: written before, synced within milliseconds, so that a killed process loses nothing and a power cut that little. none: never; a stop forgets everything.",
    ),
    path: text("./data/store", "Folder of the journal and the snapshot.", nonEmpty),
    snapshot_bytes: whole(
      64 * 2 ** 20,
      [4096, BYTES_MAX],
      "Size of the journal from which a snapshot takes its place, in bytes; or as large as the last snapshot, whichever is more.",
    ),
    max_memory_bytes: whole(
      2 ** 30,
      [2 ** 20, BYTES_MAX],
      "Memory that keys and values may take; a write beyond it is refused. Nothing is evicted.",
      live,
    ),
    token_file: text(
      "",
      "File with a token on its first line, at least 16 characters, that may do everything. Empty means none.",
      live,
    ),
    roles_file: text(
      "",
      "TOML file with a table for each role: its token, and the prefixes it may read, write, publish on and subscribe to. Empty means none.",
      live,
    ),
    allow_open: flag(
      false,
      "Listen on other addresses than loopback without any token: everybody who can connect may do everything.",
    ),
    idle_secs: wholeOrNever(
      300,
      SECONDS_MAX,
      "A client that sends nothing for this many seconds is disconnected, unless it has a subscription.",
      live,
    ),
    max_line_bytes: whole(
      2 ** 20,
      [256, 64 * 2 ** 20],
      "Largest request, newline not counted; a longer line is refused.",
      live,
    ),
    outbox_bytes: whole(
      16 * 2 ** 20,
      [4096, BYTES_MAX],
      "Bytes that may wait for one client; a subscriber that would need more is closed as slow, and a reply that would be longer is refused.",
      live,
    ),
    total_outbox_bytes: whole(
      64 * 2 ** 20,
      [4096, BYTES_MAX],
      "Bytes that may wait for all clients together; above it the one with the most is closed as slow.",
      live,
    ),
    max_subscriptions: whole(
      1000,
      [0, COUNT_MAX],
      "How many subscriptions one client may have.",
      live,
    ),
    max_patterns: whole(
      100,
      [0, COUNT_MAX],
      "How many of them may be patterns, which end in ^*.",
      live,
    ),
    replay_messages: whole(
      100,
      [0, 1_000_000],
      "How many messages a channel keeps for subscribers that come back.",
      live,
    ),
    replay_bytes: whole(
      16 * 2 ** 20,
      [0, BYTES_MAX],
      "Memory that all channels together may keep for that; the channels that were silent longest forget first.",
      live,
    ),
    ...clients,
    tls: inherited("TLS of the store alone; a key not given here follows [tls].", tls),
    access: inherited("Access to the store alone; a key not given here follows [access].", access),
  }),
  tls,
  access,
};

/** The effective configuration. */
export type Config = Values<typeof settings>;
export type AccessSettings = Config["access"];
export type TlsSettings = Config["tls"];
