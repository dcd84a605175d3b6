import { describe, expect, onTestFinished, test } from "bun:test";
import { connect, createServer } from "node:net";
import { systemClock } from "../lib/host/clock.ts";
import { TestRoom } from "./cluster-suite.ts";
import { boot, until } from "./kit.ts";
import { freePort } from "./ports.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

/** The error of a relay whose room is at a URL, without what stands before the reason. */
async function refusal(url: string): Promise<string> {
  const started = boot("relay", { cluster: { url } }, { clock: systemClock });
  const error = await started.then(
    (server) => server.stop().then(() => "it has started"),
    ({ message }: Error) => message,
  );
  return error;
}

/** A port at which every connection is told something. */
async function saying(text: string) {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", () => socket.end(text));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as { port: number }).port, stop: () => server.close() };
}

/** A way to a server that passes nothing on any more, either way, from the first command on that begins with `mute.at`. */
async function muting(server: RoomServer) {
  const mute = { at: "" };
  const way = createServer((near) => {
    const far = connect(server.port, "127.0.0.1");
    let isMute = false;
    near.on("data", (bytes) => {
      isMute ||= mute.at !== "" && bytes.includes(mute.at);
      if (!isMute) far.write(bytes);
    });
    far.on("data", (bytes) => void (isMute || near.write(bytes)));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => way.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void way.close());
  return { url: `redis://127.0.0.1:${(way.address() as { port: number }).port}`, mute };
}

describe("a relay that cannot have its room says why, and shows no secret", () => {
  test("where nobody listens, or somebody else does", async () => {
    const port = await freePort();
    expect(await refusal(`redis://:sesame@127.0.0.1:${port}`)).toBe(
      `cluster.url: redis://127.0.0.1:${port} cannot be used: the connection was refused`,
    );
    for (const text of ["HTTP/1.1 400 Bad Request\r\n\r\n", "", "-", "+\r\n".repeat(200)]) {
      const other = await saying(text);
      onTestFinished(() => void other.stop());
      expect(await refusal(`redis://:sesame@127.0.0.1:${other.port}`)).toBe(
        `cluster.url: redis://127.0.0.1:${other.port} cannot be used: it does not answer as a Redis server does`,
      );
    }
  });

  for (const program of PROGRAMS) {
    test(`where ${program} wants a password, or another one`, async () => {
      const server = await RoomServer.start(program, "--requirepass", "open sesame/é");
      onTestFinished(() => server.stop());
      const at = `127.0.0.1:${server.port}`;
      expect(await refusal(`redis://${at}`)).toBe(
        `cluster.url: redis://${at} cannot be used: it asks for a password`,
      );
      for (const user of ["", "nobody"]) {
        expect(await refusal(`redis://${user}:sesame@${at}`)).toBe(
          `cluster.url: redis://${at} cannot be used: it does not know this user or password`,
        );
      }
      const secret = encodeURIComponent("open sesame/é");
      expect(await refusal(`redis://:${secret}@${at}/4321`)).toBe(
        `cluster.url: redis://${at}/4321 cannot be used: ERR DB index is out of range`,
      );
      expect(await refusal(`redis://:${secret}@${at}`)).toBe("it has started");
      expect(await refusal(`redis://default:${secret}@${at}`)).toBe("it has started");
    });

    for (const at of ["EXISTS", "join"]) {
      test(`where ${program} falls silent at ${at}, while it starts or later`, async () => {
        const server = await RoomServer.start(program);
        onTestFinished(() => server.stop());
        const { url, mute } = await muting(server);
        const room = new TestRoom(server);
        onTestFinished(() => room.close());
        const node = await room.node("a", { cluster: { url } });
        mute.at = at;
        await server.ask("CLIENT", "KILL", "TYPE", "normal");
        // Both wait for as long as a server may take to answer: at once, not one after the other.
        const refused = refusal(url);
        const trouble = () => node.running().room?.trouble?.reason;
        await until(() => trouble()?.endsWith("it does not answer") === true);
        expect(await refused).toBe(`cluster.url: ${url} cannot be used: it does not answer`);
        mute.at = "";
        await until(() => trouble() === undefined);
      }, 60_000);
    }

    test(`where ${program} does not encrypt`, async () => {
      const server = await RoomServer.start(program);
      onTestFinished(() => server.stop());
      const url = `rediss://127.0.0.1:${server.port}`;
      expect(await refusal(url)).toBe(
        `cluster.url: ${url} cannot be used: it does not answer; perhaps it does not speak TLS`,
      );
    });
  }
});
