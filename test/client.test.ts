import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection } from "../lib/cli/client/connection.ts";
import { HandClock } from "../lib/host/clock.ts";
import { boot, openssl, selfSigned, turn, until } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function folderWith(settings: string | null = null): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-client-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  if (settings !== null) writeFileSync(join(folder, "summoner.toml"), settings);
  return folder;
}

async function relay(object: Record<string, unknown> = {}) {
  const server = await boot("relay", object);
  endings.push(() => server.stop());
  return { ...server, clients: () => server.stats()["clients"] as number };
}

/** A server of the test's own, which knows nothing of relays. */
async function bare(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    endings.push(() => socket.destroy());
    socket.on("error", () => {});
    serve(socket);
  });
  endings.push(() => server.close());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}

/** A command as a process of its own. `input` is its standard input; null leaves that open. */
function start(args: string[], input: string | Uint8Array | null = "", cwd = folderWith()) {
  return spawn([process.execPath, program, ...args], input, cwd);
}

function spawn(cmd: string[], input: string | Uint8Array | null, cwd = folderWith()) {
  const child = Bun.spawn(cmd, { cwd, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  endings.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  if (input !== null) {
    child.stdin.write(input);
    void child.stdin.end();
  }
  let out = "";
  let err = "";
  const decoder = new TextDecoder();
  const all = Promise.all([
    (async () => {
      for await (const bytes of child.stdout) out += decoder.decode(bytes, { stream: true });
    })(),
    (async () => {
      for await (const bytes of child.stderr) err += Buffer.from(bytes).toString();
    })(),
  ]);
  return {
    child,
    type: (text: string) => {
      child.stdin.write(text);
      void child.stdin.flush();
    },
    out: () => out,
    async ends() {
      const code = await child.exited;
      await all;
      return { out, err, code };
    },
  };
}

const WELL = { out: "", err: "", code: 0 };
const at = (port: number) => ["--port", `${port}`];
const contents = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).content);

describe("send", () => {
  test("sends each text as a line", async () => {
    const server = await relay();
    const peer = await server.join();
    const texts = ['{"hi": 1}', "two words", "\\n is no newline"];
    expect(await start(["send", ...at(server.port()), ...texts]).ends()).toEqual(WELL);
    await until(() => peer.lines.length === 3);
    expect(contents(peer.lines)).toEqual(texts);
  });

  test("sends standard input as it comes, a last line without newline too", async () => {
    const server = await relay();
    const peer = await server.join();
    const client = start(["send", ...at(server.port())], null);
    client.type("one\ntwo\nth");
    expect(contents([await peer.next(), await peer.next()])).toEqual(["one", "two"]);
    client.type("ree\nfour");
    expect(contents([await peer.next()])).toEqual(["three"]);
    void client.child.stdin.end();
    expect(contents([await peer.next()])).toEqual(["four"]);
    expect(await client.ends()).toEqual(WELL);
  });

  test("sends nothing of an empty input", async () => {
    const server = await relay();
    expect(await start(["send", ...at(server.port())]).ends()).toEqual(WELL);
    expect(server.stats()).toMatchObject({ accepted: 1, lines_in: 0 });
  });

  test.skipIf(process.platform !== "linux")(
    "takes no more input than the relay takes, and loses none",
    async () => {
      let bytes = 0;
      let reading: Socket | undefined;
      const port = await bare((socket) => {
        socket.once("data", () => {
          reading = socket;
          socket.pause();
        });
        socket.on("data", (data) => {
          bytes += data.length;
        });
        socket.on("end", () => socket.end());
      });
      const total = 100_000_000;
      const file = join(folderWith(), "input");
      writeFileSync(file, "");
      truncateSync(file, total);
      const client = Bun.spawn([process.execPath, program, "send", ...at(port)], {
        cwd: folderWith(),
        stdin: Bun.file(file),
        stderr: "inherit",
      });
      endings.push(() => client.kill("SIGKILL"));
      await until(() => reading !== undefined);
      const taken = () =>
        Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${client.pid}/io`, "utf8"))?.[1]);
      let before = 0;
      for (let still = 0; still < 3000; still++) {
        if (taken() !== before) still = 0;
        before = taken();
        await turn();
      }
      expect(before).toBeLessThan(total / 2);
      reading?.resume();
      expect(await client.exited).toBe(0);
      // Its only line had no newline.
      expect(bytes).toBe(total + 1);
    },
  );
});

describe("send tells with exit code 1 that", () => {
  test("a line was refused", async () => {
    const server = await relay({ hyper_parameters: { rate_limit_msgs_per_minute: 2 } });
    const peer = await server.join();
    const { out, err, code } = await start(["send", ...at(server.port()), "a", "b", "c"]).ends();
    expect([out, code]).toEqual(["", 1]);
    expect(err).toBe("Warning: You are sending messages too quickly. Please slow down.\n");
    await until(() => peer.lines.length === 2);
    expect(contents(peer.lines)).toEqual(["a", "b"]);
  });

  test("a line was no text, or too long", async () => {
    const server = await relay({ relay: { max_line_bytes: 300 } });
    const input = Buffer.concat([Buffer.from([0xff, 10]), Buffer.from("x".repeat(300))]);
    const { err, code } = await start(["send", ...at(server.port())], input).ends();
    expect(code).toBe(1);
    expect(err).toMatch(
      /^Warning: Your line is not valid UTF-8 and was not sent\.\nWarning: Your line is too long .*\n$/,
    );
  });

  test("it may not come in", async () => {
    const server = await relay();
    server.running().quarantine?.impose("127.0.0.1", 60);
    const { err, code } = await start(["send", ...at(server.port())], null).ends();
    expect(code).toBe(1);
    expect(err).toMatch(
      /^Warning: You are in quarantine\. .*\nerror: 127\.0\.0\.1:\d+ closed the connection before it had read everything\n$/,
    );
  });

  test("the server has gone while nothing was typed", async () => {
    const server = await relay();
    const client = start(["send", ...at(server.port())], null);
    client.type("one\n");
    await until(() => server.stats()["lines_in"] === 1);
    await server.stop();
    const { err, code } = await client.ends();
    expect(code).toBe(1);
    expect(err).toMatch(
      /^Warning: Server is shutting down\.\nerror: 127\.0\.0\.1:\d+ closed the connection before it had read everything\n$/,
    );
  });

  test("the connection broke", async () => {
    const port = await bare((socket) => socket.once("data", () => socket.resetAndDestroy()));
    const { err, code } = await start(["send", ...at(port), "one"]).ends();
    expect(code).toBe(1);
    expect(err).toMatch(/^error: \S+ closed the connection before it had read everything\n$/);
  });

  test("nobody listens", async () => {
    const server = await relay();
    await server.stop();
    expect(await start(["send", ...at(server.port()), "one"]).ends()).toEqual({
      out: "",
      err: `error: no relay on 127.0.0.1:${server.port()}: nobody listens there\n`,
      code: 1,
    });
  });

  test("the server takes too long", async () => {
    const port = await bare((socket) => socket.pause());
    const { err, code } = await start(["send", ...at(port), "--timeout", "0.1", "one"]).ends();
    expect(code).toBe(1);
    expect(err).toBe(
      `error: 127.0.0.1:${port} has not read everything within 0.1 s; --timeout gives it longer\n`,
    );
  });
});

test("send: a good-bye is no refusal", async () => {
  const port = await bare((socket) => {
    socket.resume();
    socket.on("end", () => socket.end("Warning: Server disconnected.\n"));
  });
  const { err, code } = await start(["send", ...at(port), "one"]).ends();
  expect([err, code]).toEqual(["Warning: Server disconnected.\n", 0]);
});

test.each([
  [["send", "one\ntwo"], "TEXT: holds a newline, which no line can"],
  [["send", "--timeout", "0"], "--timeout: found 0; allowed: a number of seconds above 0"],
  [["listen", "--count", "0"], "--count: found 0; allowed: a whole number from 1"],
  [["listen", "--port", "x"], '--port: port: found "x" (text); allowed: a whole number from 0'],
])("%j is refused", async (args, problem) => {
  const { err, code } = await start(args).ends();
  expect(err).toStartWith(`error: ${problem}`);
  expect(code).toBe(2);
});

describe("listen", () => {
  test("prints who sent what, without letting it command the terminal", async () => {
    const server = await relay();
    const client = start(["listen", ...at(server.port()), "--count", "3"]);
    await until(() => server.clients() === 1);
    const peer = await server.join();
    peer.send('{"a": [1]}\ntab\there \x1b[31mred\x07\x9b\u202e\u2066\u2028\r\nend\nfour\n');
    const red = "tab\there \\x1b[31mred\\x07\\x9b\\u202e\\u2066\\u2028";
    const shown = ['{"a": [1]}', red, "end"];
    expect(await client.ends()).toEqual({
      ...WELL,
      out: shown.map((content) => `${peer.address}: ${content}\n`).join(""),
    });
  });

  test("--json prints envelopes as they come", async () => {
    const server = await relay();
    const client = start(["listen", ...at(server.port()), "--json", "--count", "2"]);
    await until(() => server.clients() === 1);
    const [peer, other] = [await server.join(), await server.join()];
    peer.send('{"n": 12345678901234567890}\n\x1b[31m "é"\n');
    const lines = [await other.next(), await other.next()];
    expect(await client.ends()).toEqual({ ...WELL, out: `${lines.join("\n")}\n` });
  });

  test("--json in a terminal commands nothing, not even for a false relay", async () => {
    const lines = ['{"content":"\u202e\u009b\u2028"}', "\x1b[31m\u202e"];
    const port = await bare((socket) => socket.end(`${lines.join("\n")}\n`));
    let shown = "";
    const decoder = new TextDecoder();
    const child = Bun.spawn([process.execPath, program, "listen", "--json", "--port", `${port}`], {
      cwd: folderWith(),
      terminal: { cols: 200, data: (_, bytes) => (shown += decoder.decode(bytes)) },
    });
    endings.push(() => child.kill("SIGKILL"));
    await child.exited;
    expect(shown).toContain('\n{"content":"\\u202e\\u009b\\u2028"}\r\n\\x1b[31m\\u202e\r\n');
  });

  test.each(["SIGINT", "SIGTERM"] as const)("ends with %s, well", async (signal) => {
    const server = await relay();
    const client = start(["listen", ...at(server.port())], null);
    await until(() => server.clients() === 1);
    const peer = await server.join();
    peer.send("one\n");
    await until(() => client.out() !== "");
    client.child.kill(signal);
    expect(await client.ends()).toEqual({ ...WELL, out: `${peer.address}: one\n` });
  });

  test("tells that the server has gone", async () => {
    const server = await relay();
    const client = start(["listen", ...at(server.port())]);
    await until(() => server.clients() === 1);
    await server.stop();
    expect(await client.ends()).toEqual({
      out: "",
      err: `Warning: Server is shutting down.\nerror: 127.0.0.1:${server.port()} has closed the connection\n`,
      code: 1,
    });
    const { err, code } = await start(["listen", ...at(server.port())]).ends();
    expect([err, code]).toEqual([
      `error: no relay on 127.0.0.1:${server.port()}: nobody listens there\n`,
      1,
    ]);
  });

  test("prints what is no envelope as it is, controls escaped", async () => {
    const port = await bare((socket) => socket.end('Welcome.\n{"content": 1}\n\x1b[0m\n'));
    const { out, code } = await start(["listen", ...at(port)]).ends();
    expect([out, code]).toEqual(['Welcome.\n{"content": 1}\n\\x1b[0m\n', 1]);
  });

  test.skipIf(!Bun.which("bash"))("ends well when nobody reads it any more", async () => {
    const server = await relay();
    const client = spawn(
      ["bash", "-c", `"$@" | head -n 1; echo "\${PIPESTATUS[*]}"`, "-"].concat(
        [process.execPath, program, "listen"],
        at(server.port()),
      ),
      "",
    );
    await until(() => server.clients() === 1);
    const peer = await server.join();
    let ended = false;
    void client.child.exited.then(() => (ended = true));
    peer.send("one\n");
    await until(() => client.out() !== "");
    // It learns of it when it writes.
    while (!ended) {
      peer.send("more\n");
      await turn();
    }
    expect(await client.ends()).toEqual({ ...WELL, out: `${peer.address}: one\n0 0\n` });
  });

  test.skipIf(!Bun.which("sh"))("reads no more than it can print, and loses none", async () => {
    const roomy = { outbox_bytes: 10 ** 9, total_outbox_bytes: 10 ** 9 };
    const server = await relay({ version: "python", relay: roomy });
    const client = spawn(
      ["sh", "-c", `exec 3<&0; "$@" </dev/null | { read go <&3; cat; }`, "-"].concat(
        [process.execPath, program, "listen", "--json", "--count", "20000"],
        at(server.port()),
      ),
      null,
    );
    await until(() => server.clients() === 1);
    const peer = await server.join();
    const line = "x".repeat(1000);
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${line}`);
    peer.send(`${lines.join("\n")}\n`);
    await until(() => server.stats()["lines_in"] === lines.length);
    // Far longer than it takes a client that does not wait to swallow everything.
    for (let i = 0; i < 5000; i++) await turn();
    expect(server.stats()["pinned_bytes"]).toBeGreaterThan(0);
    client.type("go\n");
    const { out, err, code } = await client.ends();
    expect([err, code]).toEqual(["", 0]);
    expect(contents(out.trimEnd().split("\n"))).toEqual(lines);
  });

  test("shows at a terminal where it listens", async () => {
    const server = await relay();
    let said = "";
    const child = Bun.spawn([process.execPath, program, "listen", ...at(server.port())], {
      cwd: folderWith(),
      terminal: { cols: 80, rows: 24, data: (_, bytes) => (said += Buffer.from(bytes)) },
    });
    endings.push(() => child.kill("SIGKILL"));
    await until(() => said.includes("Ctrl-C"));
    expect(said).toBe(`listening to 127.0.0.1:${server.port()}; Ctrl-C ends it\r\n`);
    child.terminal?.write("\x03");
    expect(await child.exited).toBe(0);
  });
});

describe("a client that says nothing", () => {
  async function connect(port: number) {
    const clock = new HandClock();
    const to = { service: "relay", host: "127.0.0.1", port, tls: null, certificate: null };
    const connection = await Connection.open(to, () => {}, clock);
    endings.push(() => connection.close());
    return { clock, connection };
  }

  test("shows every minute that it is there", async () => {
    const server = await relay();
    const { clock } = await connect(server.port());
    for (let minute = 1; minute <= 3; minute++) {
      clock.advance(60_000);
      await until(() => server.stats()["lines_blank"] === minute);
      // Five times as long as it would live without blank lines.
      server.clock.advance(299_000);
    }
    expect(server.clients()).toBe(1);
  });

  test("does not cut a line in two", async () => {
    const server = await relay();
    const peer = await server.join();
    const { clock, connection } = await connect(server.port());
    await connection.write(Buffer.from("half"));
    clock.advance(60_000);
    await connection.write(Buffer.from(" and half\n"));
    expect(contents([await peer.next()])).toEqual(["half and half"]);
  });
});

describe("where it connects to", () => {
  test("follows the configuration, whose host may be everywhere", async () => {
    const server = await relay();
    const folder = folderWith(`host = "0.0.0.0"\nport = ${server.port()}\n`);
    expect(await start(["send", "one"], "", folder).ends()).toEqual(WELL);
    expect(server.stats()["lines_in"]).toBe(1);
  });

  test.each([
    ["port = 0", "port is 0 in summoner.toml, so nobody knows where the relay listens"],
    ["[relay]\nenabled = false", "the relay is off in summoner.toml"],
    ['[tls]\ncert = "x"\nkey = "x"', "tls.cert: cannot read x: there is no such file"],
    ['[relay.tls]\ncert = "x"\nkey = "x"', "relay.tls.cert: cannot read x: there is no such file"],
    ['[tls]\ncert = "/dev/null"\nkey = "x"', "tls.cert: /dev/null holds nothing, no certificate"],
  ])("%j is one line, and 1", async (settings, why) => {
    const { err, code } = await start(["send", "one"], "", folderWith(`${settings}\n`)).ends();
    expect([err, code]).toEqual([`error: ${why}\n`, 1]);
  });
});

describe.skipIf(!openssl)("with TLS", () => {
  test.each(["tls", "relay.tls"])("it trusts the certificate of [%s]", async (section) => {
    const folder = folderWith();
    const tls = selfSigned(folder, "relay.example");
    const server = await relay({ tls });
    const settings = `port = ${server.port()}\n[${section}]\n${tomlOf(tls)}`;
    const listener = start(["listen", "--count", "1"], "", folderWith(settings));
    await until(() => server.clients() === 1);
    const content = `secret ${"s".repeat(60_000)}`;
    expect(await start(["send"], `${content}\n`, folderWith(settings)).ends()).toEqual(WELL);
    const { out, code } = await listener.ends();
    expect(out).toEndWith(`: ${content}\n`);
    expect(code).toBe(0);
  });

  test("it trusts no other, unless it is told to", async () => {
    const folder = folderWith();
    const server = await relay({ tls: selfSigned(folder, "relay.example") });
    const other = selfSigned(folder, "other.example");
    const given = ["--set", `tls.cert=${other.cert}`, "--set", `tls.key=${other.key}`];
    const args = ["send", "one", ...at(server.port()), ...given];
    const { err, code } = await start(args).ends();
    expect(code).toBe(1);
    expect(err).toMatch(
      /^error: no relay on 127\.0\.0\.1:\d+: its certificate is not the configured one \([^\n]+\); --insecure takes any\n$/,
    );
    expect(server.stats()["lines_in"]).toBe(0);
    expect(await start([...args, "--insecure"]).ends()).toEqual(WELL);
    expect(server.stats()["lines_in"]).toBe(1);
  });

  test.each([["relay.example"], ["127.0.0.1"]])(
    "it trusts what the configured authority has signed, for %s too",
    async (name) => {
      const folder = folderWith();
      const authority = selfSigned(folder, "authority.example");
      const [request, key, cert] = ["csr", "key", "crt"].map((kind) => join(folder, `own.${kind}`));
      for (const args of [
        `req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=${name} -keyout ${key} -out ${request}`,
        `x509 -req -in ${request} -CA ${authority.cert} -CAkey ${authority.key} -days 2 -out ${cert}`,
      ]) {
        expect(Bun.spawnSync([openssl as string, ...args.split(" ")]).exitCode).toBe(0);
      }
      const server = await relay({ tls: { cert, key } });
      const settings = `port = ${server.port()}\n[tls]\n${tomlOf(authority)}`;
      expect(await start(["send", "one"], "", folderWith(settings)).ends()).toEqual(WELL);
    },
  );

  test("it tells of a server that speaks none", async () => {
    const tls = tomlOf(selfSigned(folderWith()));
    const silent = await bare(() => {});
    const clock = new HandClock();
    const to = { service: "relay", host: "127.0.0.1", port: silent, tls: {}, certificate: null };
    const opening = Connection.open(to, () => {}, clock);
    clock.advance(5000);
    await expect(opening).rejects.toThrow(`no relay on 127.0.0.1:${silent}: no answer within 5 s`);
    const closing = await bare((socket) => socket.end());
    const folder = folderWith(`port = ${closing}\n[tls]\n${tls}`);
    for (const args of [["listen"], ["listen", "--insecure"]]) {
      const { err, code } = await start(args, "", folder).ends();
      expect([err, code]).toEqual([
        `error: no relay on 127.0.0.1:${closing}: it does not speak TLS\n`,
        1,
      ]);
    }
  });

  test("it shows the configured certificate where clients need one", async () => {
    const tls = selfSigned(folderWith());
    const server = await relay({ tls: { ...tls, ca: tls.cert, require_client_cert: true } });
    const texts = tomlOf({ ...tls, ca: tls.cert });
    const folder = folderWith(
      `port = ${server.port()}\n[tls]\n${texts}require_client_cert = true\n`,
    );
    expect(await start(["send", "one"], "", folder).ends()).toEqual(WELL);
    expect(server.stats()["lines_in"]).toBe(1);
  });

  test("all of a long input arrives", async () => {
    const tls = selfSigned(folderWith());
    const server = await relay({ version: "python", tls });
    const lines = Array.from({ length: 20_000 }, (_, i) => `${i} ${"x".repeat(500)}`);
    const folder = folderWith(`port = ${server.port()}\n[tls]\n${tomlOf(tls)}`);
    const ended = await start(["send"], lines.join("\n"), folder).ends();
    expect(ended).toEqual({ ...WELL, err: "Warning: Server disconnected.\n" });
    expect(server.stats()["lines_in"]).toBe(lines.length);
  });
});

function tomlOf(texts: Record<string, string>): string {
  return Object.entries(texts)
    .map(([key, text]) => `${key} = ${JSON.stringify(text)}\n`)
    .join("");
}
