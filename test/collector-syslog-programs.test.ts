import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collecting } from "./collector-suite.ts";
import { until } from "./kit.ts";

// The programs that people have: they send to it unchanged.

// Neither has types.
const { createClient, Facility, Severity, Transport } = require("syslog-client");
const { Syslog } = require("winston-syslog");

type Server = Awaited<ReturnType<typeof collecting>>;

const LOGGER = Bun.which("logger");
const PYTHON = Bun.which("python3");
const RSYSLOGD = ["/usr/sbin/rsyslogd", Bun.which("rsyslogd") ?? ""].find((path) =>
  existsSync(path),
);
const missing = (found: unknown, name: string) => (found ? "" : ` (${name} is not installed here)`);

const over = () => collecting({ syslog: true, format: "json" });
const records = (server: Server) =>
  server.lines().map((line) => JSON.parse(line) as Record<string, any>);

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A date with or without a year of its own. */
const ANY_DATE = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/;

describe.skipIf(!LOGGER)(`logger(1)${missing(LOGGER, "logger")}`, () => {
  const ways: [string, "syslog" | "udp", string[]][] = [
    ["over TCP", "syslog", ["-T"]],
    ["over TCP, as RFC 5424", "syslog", ["-T", "--rfc5424"]],
    ["over TCP, as RFC 3164", "syslog", ["-T", "--rfc3164"]],
    ["over TCP, with its octets counted", "syslog", ["-T", "--rfc5424", "--octet-count"]],
    [
      "over TCP, with its octets counted, as RFC 3164",
      "syslog",
      ["-T", "--rfc3164", "--octet-count"],
    ],
    ["over UDP, as RFC 5424", "udp", ["-d", "--rfc5424"]],
    ["over UDP, as RFC 3164", "udp", ["-d", "--rfc3164"]],
  ];
  for (const [how, door, flags] of ways) {
    test(`sends ${how}`, async () => {
      const server = await over();
      const to = ["-n", "127.0.0.1", "-P", String(server.portOf(door))];
      const said = ["-t", "app", "-p", "local0.warning", "--id=77", "it works, häufig"];
      const { exited } = Bun.spawn([LOGGER as string, ...to, ...flags, ...said], {
        stdout: "ignore",
      });
      expect(await exited).toBe(0);
      await server.wrote(1);
      expect(records(server)[0]).toMatchObject({
        level: "WARNING",
        timestamp: expect.stringMatching(ANY_DATE),
        hostname: expect.stringMatching(/./),
        loggerName: "app",
        processId: "77",
        message: "it works, häufig",
        attributes: { facility: "local0" },
      });
      expect(server.stats()["kept_whole"]).toBe(0);
      await server.stop();
    });
  }

  test("sends structured data", async () => {
    const server = await over();
    const to = ["-n", "127.0.0.1", "-P", String(server.portOf("syslog")), "-T", "--rfc5424"];
    const data = ["--sd-id", "zoo@123", "--sd-param", 'tiger="hun\\"gry"', "--msgid", "M1"];
    const { exited } = Bun.spawn([LOGGER as string, ...to, ...data, "x"], { stdout: "ignore" });
    expect(await exited).toBe(0);
    await server.wrote(1);
    expect(records(server)[0]?.["attributes"]).toMatchObject({
      "zoo@123": { tiger: 'hun"gry' },
      msgid: "M1",
    });
    await server.stop();
  });
});

const HANDLER = `
import logging.handlers, socket, sys
kind = socket.SOCK_STREAM if sys.argv[2] == "syslog" else socket.SOCK_DGRAM
handler = logging.handlers.SysLogHandler(("127.0.0.1", int(sys.argv[1])), "local0", kind)
handler.ident = "app: "
log = logging.getLogger()
log.addHandler(handler)
log.warning("it works, häufig")
log.error("and again")
handler.close()
`;

describe.skipIf(!PYTHON)(`SysLogHandler of Python${missing(PYTHON, "python3")}`, () => {
  for (const [how, door] of [
    ["over TCP", "syslog"],
    ["over UDP", "udp"],
  ] as const) {
    test(`sends ${how}`, async () => {
      const server = await over();
      const run = [PYTHON as string, "-c", HANDLER, String(server.portOf(door)), door];
      expect(await Bun.spawn(run, { stdout: "ignore" }).exited).toBe(0);
      await server.wrote(2);
      const [first, second] = records(server);
      expect(first).toMatchObject({
        level: "WARNING",
        loggerName: "app",
        message: "it works, häufig",
      });
      expect(second).toMatchObject({ level: "ERROR", loggerName: "app", message: "and again" });
      await server.stop();
    });
  }
});

describe("syslog-client", () => {
  for (const [how, transport, rfc3164] of [
    ["over TCP, as RFC 5424", Transport.Tcp, false],
    ["over TCP, as RFC 3164", Transport.Tcp, true],
    ["over UDP, as RFC 5424", Transport.Udp, false],
    ["over UDP, as RFC 3164", Transport.Udp, true],
  ] as const) {
    test(`sends ${how}`, async () => {
      const server = await over();
      const port = server.portOf(transport === Transport.Tcp ? "syslog" : "udp");
      const client = createClient("127.0.0.1", { port, transport, rfc3164, appName: "app" });
      // It takes our end of the connection for an error.
      client.on("error", () => {});
      ends.push(() => client.close());
      client.log("it works", { facility: Facility.Local1, severity: Severity.Error }, () => {});
      await server.wrote(1);
      expect(records(server)[0]).toMatchObject({
        level: "ERROR",
        timestamp: expect.stringMatching(ANY_DATE),
        message: "it works",
        // Of RFC 3164 it sends no tag.
        ...(rfc3164 ? {} : { loggerName: "app" }),
        attributes: { facility: "local1" },
      });
      await server.stop();
    });
  }
});

describe("winston-syslog", () => {
  for (const [how, protocol, type] of [
    ["over TCP, as RFC 5424", "tcp4", "5424"],
    ["over TCP, as RFC 3164", "tcp4", "BSD"],
    ["over UDP, as RFC 5424", "udp4", "5424"],
    ["over UDP, as RFC 3164", "udp4", "BSD"],
  ] as const) {
    test(`sends ${how}`, async () => {
      const server = await over();
      const port = server.portOf(protocol === "tcp4" ? "syslog" : "udp");
      const transport = new Syslog({
        host: "127.0.0.1",
        port,
        protocol,
        type,
        app_name: "app",
        localhost: "box",
        facility: "local2",
        // Without this its messages over TCP have no end.
        eol: "\n",
      });
      ends.push(() => transport.close());
      // As winston hands a record to a transport.
      const info = { level: "error", message: "it works" };
      const marked = { [Symbol.for("level")]: "error", [Symbol.for("message")]: "it works" };
      transport.log({ ...info, ...marked }, () => {});
      await server.wrote(1);
      expect(records(server)[0]).toMatchObject({
        level: "ERROR",
        timestamp: expect.stringMatching(ANY_DATE),
        hostname: "box",
        loggerName: "app",
        message: "it works",
        attributes: { facility: "local2" },
      });
      await server.stop();
    });
  }
});

describe.skipIf(!RSYSLOGD || !LOGGER)(`rsyslogd${missing(RSYSLOGD, "rsyslog")}`, () => {
  /** Starts one that forwards what comes by a socket of its own. @returns the path of the socket */
  async function forwarding(action: string): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), "rsyslog-"));
    const socket = join(folder, "log");
    const conf = join(folder, "rsyslog.conf");
    writeFileSync(
      conf,
      `global(workDirectory="${folder}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="${socket}" RateLimit.Interval="0")
action(type="omfwd" target="127.0.0.1" ${action})
`,
    );
    const run = [RSYSLOGD as string, "-n", "-f", conf, "-i", join(folder, "pid")];
    const child = Bun.spawn(run, { stdout: "ignore", stderr: "ignore" });
    ends.push(async () => {
      child.kill();
      await child.exited;
      rmSync(folder, { recursive: true });
    });
    await until(() => existsSync(socket) || child.exitCode !== null);
    return socket;
  }

  const ways: [string, "syslog" | "udp", string][] = [
    [
      "over TCP, line by line",
      "syslog",
      'protocol="tcp" TCP_Framing="traditional" template="RSYSLOG_TraditionalForwardFormat"',
    ],
    [
      "over TCP, with octets counted, as RFC 5424",
      "syslog",
      'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"',
    ],
    ["over UDP", "udp", 'protocol="udp" template="RSYSLOG_ForwardFormat"'],
  ];
  for (const [how, door, action] of ways) {
    test(`forwards ${how}`, async () => {
      const server = await over();
      const socket = await forwarding(`port="${server.portOf(door)}" ${action}`);
      const lines = [...Array(50).keys()].map((n) => `m${n}\n`).join("");
      const said = ["-u", socket, "-t", "app", "-p", "local0.warning", "--id=77"];
      const child = Bun.spawn([LOGGER as string, ...said], { stdin: Buffer.from(lines) });
      expect(await child.exited).toBe(0);
      await server.wrote(50);
      const found = records(server);
      expect(found.map(({ message }) => message.trim())).toEqual(lines.trimEnd().split("\n"));
      expect(found[49]).toMatchObject({
        level: "WARNING",
        timestamp: expect.stringMatching(ANY_DATE),
        hostname: expect.stringMatching(/./),
        loggerName: "app",
        processId: "77",
        attributes: { facility: "local0" },
      });
      expect(server.stats()["kept_whole"]).toBe(0);
      await server.stop();
    });
  }
});
