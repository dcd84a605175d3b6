import { describe, expect, test } from "bun:test";
import { realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { bytes, duration, measured, rough } from "../lib/cli/terminal/words.ts";
import { boot, type Booted, NOBODY, openssl, selfSigned, until } from "./kit.ts";
import { freePort } from "./ports.ts";
import { call, configured, endings, REPEAT, served, TOKEN } from "./remote-suite.ts";

describe("status", () => {
  test("of a server that is well is one line, and 0", async () => {
    const server = await served({ name: "here" });
    await server.join();
    await server.clock.leap(3_725_000);
    let told = await call(configured(server), ["status"]);
    // A machine that is busy with something else may make everything stand still for a second.
    while (told.out.includes("stood still")) {
      await server.clock.leap(1000);
      told = await call(configured(server), ["status"]);
    }
    const { out, err, code } = told;
    expect([err, code]).toEqual(["", 0]);
    expect(out).toMatch(
      /^ok: here \d+\.\d+\.\d+, up 1 h 2 min; relay on 127\.0\.0\.1:\d+ with \d clients?; web on 127\.0\.0\.1:\d+; sends leave by (writes|io_uring) \(.+\)\n$/,
    );
  });

  test("of one where something is wrong that it can live with has a line for that, and 0", async () => {
    const server = await served();
    const text = "1 message a second is refused.";
    server.running().problems = () => [{ key: "refused", severity: "warning", text }];
    server.clock.advance(1000);
    await server.clock.leap(120_000);
    const { out, code } = await call(configured(server), ["status"]);
    expect(out).toMatch(
      /^ok: [^\n]*\nWarning {2}relay, for 2 min: 1 message a second is refused\.\n$/,
    );
    expect(code).toBe(0);
  });

  test("of one that drains says so, and 1", async () => {
    const server = await served();
    const peer = await server.join();
    peer.pause();
    const drained = server.drain(60_000);
    const { out, code } = await call(configured(server), ["status"]);
    expect([out, code]).toEqual(["draining: drain: the server is stopping\n", 1]);
    server.clock.advance(60_000);
    await drained;
  });

  test("of one that fails says why, and 1", async () => {
    const ticker = join(configured(0), "ticker.ts");
    writeFileSync(ticker, "throw new Error('not today');");
    const server = await served({ web: { ticker } });
    await until(() => !server.running("web").health().ok);
    const { out, code } = await call(configured(server), ["status"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^failing: web: ticker: died \([^\n]*not today[^\n]*\n$/);
  });

  test("of one that fails has a line for each thing that is wrong besides, the worst first", async () => {
    const server = await served({ hyper_parameters: { rate_limit_msgs_per_minute: 10 } });
    const peer = await server.join();
    peer.send("x\n".repeat(1010));
    server.running("web").problems = () => [
      { key: "own", severity: "note", text: "This is a note." },
      { key: "worse", severity: "failing", text: "This is no health." },
    ];
    server.running().health = () => ({ ok: false, reason: "cannot listen" });
    await until(() => server.stats()["refused_rate"] === 1000);
    server.clock.advance(1000);
    const folder = configured(server);
    const { out, code } = await call(folder, ["status"]);
    expect(code).toBe(1);
    const [first, ...others] = out.trimEnd().split("\n");
    expect(first).toBe("failing: relay: cannot listen");
    expect(others).toEqual([
      "Failing  web, for 0 s: This is no health.",
      expect.stringMatching(
        new RegExp(
          `^Warning {2}relay, for 0 s: \\d+ messages a second are refused from ${peer.address}\\.$`,
        ),
      ),
      "Note  web, for 0 s: This is a note.",
    ]);
  });

  test("of one that is not there says so, and 1", async () => {
    const server = await served();
    await server.stop();
    const { out, err, code } = await call(configured(server), ["status"]);
    expect([out, err, code]).toEqual([
      `down: no server on 127.0.0.1:${server.port("web")}: nobody listens there; ${REPEAT}\n`,
      "",
      1,
    ]);
  });

  test("of one that is not there says whose address it has asked without a file", async () => {
    const folder = configured(0);
    rmSync(join(folder, "summoner.toml"));
    const port = await freePort();
    const { out, code } = await call(folder, ["status", "--set", `web.port=${port}`]);
    expect([out, code]).toEqual([
      `down: no server on 127.0.0.1:${port}: nobody listens there; ${REPEAT}; there is no summoner.toml here, so the defaults were taken\n`,
      1,
    ]);
  });

  test("of something else that listens there says so, and 1", async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    endings.push(() => other.stop(true));
    const { out, code } = await call(configured(other.port as number), ["status"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^down: 127\.0\.0\.1:\d+ does not answer as a Summoner server\n$/);
  });

  test("of something that speaks another protocol says so in plain words", async () => {
    const silent = Bun.listen({
      port: 0,
      hostname: "127.0.0.1",
      socket: { data: (socket) => void socket.end("Warning: not HTTP\n") },
    });
    endings.push(() => silent.stop(true));
    const { out, code } = await call(configured(silent.port), ["status"]);
    expect([out, code]).toEqual([
      `down: no server on 127.0.0.1:${silent.port}: it does not speak HTTP\n`,
      1,
    ]);
    const folder = configured(silent.port);
    if (!openssl) return;
    const { cert, key } = selfSigned(folder, "somewhere.example");
    const own = configured(silent.port, `[web.tls]\ncert = "${cert}"\nkey = "${key}"\n`);
    expect((await call(own, ["status"])).out).toBe(
      `down: no server on 127.0.0.1:${silent.port}: it does not speak TLS, or not with this configuration\n`,
    );
  });

  test("takes the token from the environment or the file", async () => {
    const server = await served({ web: { host: "0.0.0.0" } }, { token: TOKEN });
    const folder = configured(server, 'host = "0.0.0.0"\ntoken_file = "token"\n');
    writeFileSync(join(folder, "token"), `${TOKEN}\n`);
    expect((await call(folder, ["status"])).code).toBe(0);
    const env = { SUMMONER_TOKEN: "wrong-wrong-wrong" };
    const elsewhere = configured(0);
    const file = join(folder, "summoner.toml");
    expect(await call(elsewhere, ["status", "--config", file])).toEqual({
      out: "unknown: web.token_file: cannot read token: there is no such file; relative paths begin in the server's working directory, so this has to run there\n",
      err: "",
      code: 1,
    });
    const { out, code } = await call(folder, ["status"], env);
    expect([out, code]).toEqual([
      `unknown: 127.0.0.1:${server.port("web")} answers 401: This token is wrong; set SUMMONER_TOKEN or web.token_file\n`,
      1,
    ]);
  });

  test.skipIf(!openssl)("speaks TLS with the certificate of the configuration", async () => {
    const folder = configured(0);
    const { cert, key } = selfSigned(folder, "somewhere.example");
    const server = await served({ web: { tls: { cert, key } } });
    const own = configured(server, `[web.tls]\ncert = "${cert}"\nkey = "${key}"\n`);
    expect((await call(own, ["status"])).out).toStartWith("ok: ");
  });

  test("needs to know where the server is", async () => {
    const off = configured(1);
    writeFileSync(join(off, "summoner.toml"), "web.enabled = false\n");
    expect((await call(off, ["top"])).err).toBe(
      "error: the web service is off in summoner.toml, so nothing can be asked of it\n",
    );
    expect((await call(configured(0), ["status"])).out).toBe(
      "unknown: web.port is 0 in summoner.toml, so nobody knows where the server listens\n",
    );
    const nothing = await call(off, ["status", "--set", "relay.enabled=false"]);
    expect([nothing.out, nothing.code]).toEqual([
      "unknown: nothing is switched on in summoner.toml\n",
      1,
    ]);
    const wrong = await call(off, ["status", "--set", "web.prot=1"]);
    expect([wrong.out, wrong.code]).toEqual(["", 2]);
    expect(wrong.err).toContain("web.prot: unknown key; did you mean port?");
  });
});

/** A folder with the configuration of a server without a web service. */
function withoutWeb(settings: string): string {
  const folder = configured(0);
  writeFileSync(join(folder, "summoner.toml"), `web.enabled = false\n${settings}`);
  return folder;
}

describe("status of another server that has the port", () => {
  /** The output of status for a server that has the web port of a configuration with these settings. */
  async function told(server: Booted, settings: string): Promise<string> {
    endings.push(() => server.stop());
    const folder = configured(server.port("web"));
    writeFileSync(join(folder, "summoner.toml"), `web.port = ${server.port("web")}\n${settings}`);
    const { out, code } = await call(folder, ["status"]);
    expect(code).toBe(1);
    const is = `down: 127.0.0.1:${server.port("web")} is other, not the server of summoner.toml: `;
    expect(out).toStartWith(is);
    return out.slice(is.length);
  }

  test("is told by what differs, and 1", async () => {
    const name = "other";
    const both = await boot(["relay", "web"], { name });
    const at = `127.0.0.1:${both.port("relay")}`;
    expect(await told(both, "port = 1\n")).toBe(
      `its relay is on ${at}, not on 127.0.0.1:1; ${REPEAT}\n`,
    );
    const host = await boot(["relay", "web"], { name, host: "127.0.0.2" });
    const { port } = host.config;
    expect(await told(host, `port = ${port}\n`)).toMatch(
      /^its relay is on 127\.0\.0\.2:\d+, not on/,
    );
    expect(await told(await boot("web", { name }), "")).toBe(
      `it does not run the relay; ${REPEAT}\n`,
    );
    const store = await boot(["relay", "web", "store"], { name });
    expect(await told(store, "port = 0\n")).toBe(`it runs the store; ${REPEAT}\n`);
  });

  test("is none whose file was changed since it started", async () => {
    const folder = configured(0);
    const file = join(folder, "summoner.toml");
    const server = await served({}, { operator: { ...NOBODY, source: realpathSync(file) } });
    writeFileSync(file, `port = 1\nweb.port = ${server.port("web")}\n`);
    const { out, code } = await call(folder, ["status"]);
    expect([out, code]).toEqual([
      expect.stringContaining(`relay on 127.0.0.1:${server.port()} `),
      0,
    ]);
    expect(await (await server.get("/varz")).json()).toMatchObject({
      config_file: realpathSync(file),
    });
  });

  test("nor is it asked for anything else, and no token is shown to it", async () => {
    const shown: (string | null)[] = [];
    const other = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        shown.push(request.headers.get("authorization"));
        const process = { uptime_seconds: 1 };
        return Response.json({ name: "other", version: "1", process, services: {} });
      },
    });
    endings.push(() => other.stop(true));
    const folder = configured(other.port as number);
    const env = { SUMMONER_TOKEN: TOKEN };
    const said = `127.0.0.1:${other.port} is other, not the server of summoner.toml: it does not run the relay; it does not run the web`;
    expect((await call(folder, ["status"], env)).out).toBe(`down: ${said}; ${REPEAT}\n`);
    expect((await call(folder, ["top"], env)).err).toBe(`error: ${said}; ${REPEAT}\n`);
    expect((await call(folder, ["set", "drain_ms", "7", "--reload"], env)).err).toBe(
      `error: ${said}\n`,
    );
    expect(shown).toEqual([null, null, null]);
  });
});

describe("status of a server without a web service", () => {
  test("asks the relay as a client would, in either backend", async () => {
    for (const version of ["rust", "python"]) {
      const server = await boot("relay", { version });
      endings.push(() => server.stop());
      const peer = await server.join();
      const folder = withoutWeb(`port = ${server.port()}\n`);
      expect(await call(folder, ["status"])).toEqual({
        out: `ok: relay on 127.0.0.1:${server.port()}\n`,
        err: "",
        code: 0,
      });
      await until(() => server.stats()["clients"] === 1);
      expect(peer.lines).toEqual([]);
    }
  });

  test("asks the store too", async () => {
    const server = await boot(["relay", "store"]);
    endings.push(() => server.stop());
    const store = `[store]\nenabled = true\nport = ${server.port("store")}\n`;
    const folder = withoutWeb(`port = ${server.port("relay")}\n${store}`);
    const line = `ok: relay on 127.0.0.1:${server.port("relay")}; store on 127.0.0.1:${server.port("store")}\n`;
    expect((await call(folder, ["status"])).out).toBe(line);
    const other = withoutWeb(`port = ${server.port("store")}\n`);
    const { out, code } = await call(other, ["status"]);
    expect(code).toBe(1);
    expect(out).toStartWith(`down: no relay on 127.0.0.1:${server.port("store")}: `);
  });

  test("tells who lets nobody in, and who is not there", async () => {
    const server = await boot("relay", { relay: { max_clients: 1 } });
    await server.join();
    const folder = withoutWeb(`port = ${server.port()}\n`);
    const at = `127.0.0.1:${server.port()}`;
    expect((await call(folder, ["status"])).out).toBe(
      `down: the relay on ${at} says: Warning: The server has too many clients. Please try again later.\n`,
    );
    await server.stop();
    const { out, code } = await call(folder, ["status"]);
    expect([out, code]).toEqual([`down: no relay on ${at}: nobody listens there\n`, 1]);
    const { out: unknown } = await call(withoutWeb("port = 0\n"), ["status"]);
    expect(unknown).toBe(
      "unknown: port is 0 in summoner.toml, so nobody knows where the relay listens\n",
    );
  });

  test.skipIf(!openssl)("speaks TLS with the certificate of the configuration", async () => {
    const { cert, key } = selfSigned(configured(0), "somewhere.example");
    const tls = { cert, key, ca: cert, require_client_cert: true };
    const server = await boot("relay", { tls });
    endings.push(() => server.stop());
    const own = Object.entries(tls).map(
      ([name, value]) => `tls.${name} = ${JSON.stringify(value)}`,
    );
    const folder = withoutWeb(`port = ${server.port()}\n${own.join("\n")}\n`);
    expect((await call(folder, ["status"])).out).toBe(`ok: relay on 127.0.0.1:${server.port()}\n`);
    const other = selfSigned(configured(0), "other.example");
    const wrong = withoutWeb(
      `port = ${server.port()}\n[tls]\ncert = "${other.cert}"\nkey = "${other.key}"\n`,
    );
    const { out, code } = await call(wrong, ["status"]);
    expect(code).toBe(1);
    expect(out).toStartWith(`down: no relay on 127.0.0.1:${server.port()}: `);
  });
});

describe("words", () => {
  test.each([
    [0, "0 s"],
    [0.9, "0 s"],
    [59.9, "59 s"],
    [60, "1 min"],
    [61, "1 min 1 s"],
    [3599, "59 min 59 s"],
    [3600, "1 h"],
    [7260, "2 h 1 min"],
    [86_400, "1 d"],
    [90_061, "1 d 1 h"],
    [8_640_000, "100 d"],
  ])("%d seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text));

  test.each([
    [0, "0"],
    [0.04, "0.0"],
    [0.5, "0.5"],
    [7, "7"],
    [999, "999"],
    [999.4, "999"],
    [999.6, "1.0 k"],
    [1000, "1.0 k"],
    [9949, "9.9 k"],
    [9960, "10 k"],
    [999_499, "999 k"],
    [999_500, "1.0 M"],
    [2.5e12, "2.5 T"],
    [1e16, "10000 T"],
  ])("%d is roughly %s", (value, text) => expect(rough(value)).toBe(text));

  test("bytes and seconds have their units", () => {
    expect(bytes(0)).toBe("0 B");
    expect(bytes(1234)).toBe("1.2 kB");
    expect(measured(1234, "lines")).toBe("1.2 k");
    expect(measured(2_000_000, "bytes")).toBe("2.0 MB");
    expect(measured(0.0015, "seconds")).toBe("1.5 ms");
    expect(measured(65, "seconds")).toBe("1 min 5 s");
  });
});

test("a clock can leap over what a machine slept through", async () => {
  const clock = new HandClock();
  let calls = 0;
  clock.every(10, () => calls++);
  await clock.leap(1000);
  expect([calls, clock.now()]).toEqual([1, 1000]);
});
