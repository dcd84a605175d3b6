import { describe, expect, test } from "bun:test";
import http2 from "node:http2";
import { collecting, frame, messageOf, packed, loggerMsg, record } from "./collector-suite.ts";
import { dial, type Peer, until } from "./kit.ts";

/* The messages that have come in part at a door have a bound together: beyond it the one goes that takes the most. */

const LONGEST = 2 ** 20;
const FILLERS = 64;

/** A length that is announced, and the most of what was announced. */
const HALF: Record<"tcp" | "syslog", Buffer> = {
  tcp: frame(Buffer.alloc(LONGEST, 1)).subarray(0, LONGEST),
  syslog: Buffer.from(`${LONGEST} <13>${"x".repeat(LONGEST - 100)}`),
};
const WHOLE = { tcp: record({ message: "whole" }), syslog: Buffer.from("<13>whole\n") };

describe.each(["tcp", "syslog"] as const)("messages that have come in part over %s", (door) => {
  test("have a bound in all, and nobody but those who take the most is closed", async () => {
    const server = await collecting({ syslog: true, max_message_bytes: LONGEST });
    const closed = () => server.stats()["closed_unfinished"] as number;
    const taken = () => server.stats()["bytes_in"] as number;
    const fill = async (): Promise<Peer> => {
      const before = taken();
      const peer = await dial(server.portOf(door));
      await peer.sent(HALF[door]);
      await until(() => taken() === before + HALF[door].length);
      return peer;
    };
    const peers: Peer[] = [];
    for (let n = 0; n < FILLERS; n++) peers.push(await fill());
    expect(closed()).toBe(0);
    const bystander = await dial(server.portOf(door));
    bystander.send(WHOLE[door].subarray(0, 5));
    await until(() => closed() === 1);
    await until(() => peers.some(({ isClosed }) => isClosed));
    bystander.send(WHOLE[door].subarray(5));
    await server.wrote(1);
    expect(messageOf(server.lines()[0] as string)).toBe("whole");
    // What was closed leaves its room, and what ends, too.
    peers.push(await fill());
    expect(closed()).toBe(1);
    for (const peer of peers) peer.reset();
    await until(() => server.stats()["clients"] === 1);
    peers.push(await fill());
    expect(closed()).toBe(1);
    for (const peer of [...peers, bystander]) peer.end();
    await server.stop();
  });
});

describe.each(["LogMessage", "LogStream"])(
  "messages that have come in part over gRPC, by %s",
  (name) => {
    test("have a bound in all, and a call that takes too much is ended", async () => {
      const longest = 4 * 2 ** 20;
      const server = await collecting({ max_message_bytes: longest, max_request_bytes: longest });
      const session = http2.connect(`http://127.0.0.1:${server.portOf("grpc")}`);
      session.on("error", () => {});
      const path =
        name === "LogStream"
          ? "/summoner.logs.v1.LogCollector/LogStream"
          : "/logservice.LogService/LogMessage";
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(longest, 1);
      const ended: (number | undefined)[] = [];
      for (let n = 0; n < 17; n++) {
        const headers = {
          ":method": "POST",
          ":path": path,
          "content-type": "application/grpc",
          te: "trailers",
        };
        const call = session.request(headers);
        call.on("error", () => {});
        call.on("close", () => ended.push(call.rstCode));
        call.write(Buffer.concat([prefix, Buffer.alloc(longest - 1)]));
      }
      await until(() => ended.length > 0);
      expect(ended).toEqual([http2.constants.NGHTTP2_ENHANCE_YOUR_CALM]);
      // Others are served.
      const other = await dial(server.portOf("tcp"));
      other.send(frame(packed(loggerMsg({ message: "whole" }))));
      await server.wrote(1);
      other.end();
      session.destroy();
      await server.stop();
    });
  },
);
