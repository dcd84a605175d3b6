import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { PASSWORD_VARIABLE } from "../lib/config/sections/cluster.ts";
import { systemClock } from "../lib/host/clock.ts";
import { boot } from "./kit.ts";
import {
  ADDRESSES,
  call,
  CLEAR,
  CLUSTER,
  configOf,
  endings,
  ENTER,
  FREE,
  GUARDED,
  inFolder,
  inFolders,
  inTerminal,
  modeOf,
  Person,
  PURPOSE,
  RIGHT,
  SERVICES,
  START,
  TLS,
  TOKEN,
  written,
  yes,
} from "./init-suite.ts";
import { freePort } from "./ports.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

inFolders();

const SECRET = "sesame-open-1";

async function begun(more: string[] = [], env: Record<string, string> = {}): Promise<Person> {
  const person = new Person([...FREE, ...more], { env });
  await person.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED);
  return person;
}

async function done(person: Person): Promise<void> {
  await person.accept(TLS, TOKEN, RIGHT);
  await person.answer(START, "n");
  expect(await person.ends()).toBe(0);
}

describe("asked for the server of the room", () => {
  inTerminal("nothing means none", async () => {
    const person = await begun();
    await person.accept(CLUSTER);
    await done(person);
    expect(configOf().cluster.url).toBe("");
    expect(person.shown).not.toContain("Trying");
  });

  inTerminal(
    "what is no such server is refused, and a password is not taken in sight",
    async () => {
      const person = await begun();
      await person.sees(CLUSTER);
      for (const [typed, said] of [
        ["10.0.0.5", "it is no URL; allowed: a redis:// or rediss:// URL"],
        ["http://10.0.0.5", "it does not begin with redis:// or rediss://; allowed: "],
        ["redis://:x@127.0.0.1", "leave the password out: it is asked for, and not shown"],
      ] as const) {
        person.press(CLEAR, typed, ENTER);
        await person.sees(said);
      }
      person.press(CLEAR, ENTER);
      await done(person);
      expect(configOf().cluster.url).toBe("");
    },
  );

  inTerminal("one that cannot be reached is kept for whoever insists", async () => {
    const port = await freePort();
    const url = `redis://127.0.0.1:${port}`;
    const person = await begun();
    await person.answer(CLUSTER, `redis://ours@127.0.0.1:${port}`, ENTER);
    await person.sees(`Trying redis://ours@127.0.0.1:${port}`);
    await person.sees("Enter keeps it all the same.");
    await person.answer(CLUSTER, CLEAR, url, ENTER);
    await person.sees(`Trying ${url}`);
    await person.sees(`${url} cannot be used at present: the connection was refused`);
    await person.answer(CLUSTER, ENTER);
    await done(person);
    expect(configOf().cluster.url).toBe(url);
    // There is no secret in it.
    expect(modeOf("summoner.toml") & 0o044).not.toBe(0);
    const again = new Person();
    await again.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED);
    await again.answer(CLUSTER, "none", ENTER);
    await again.accept(TLS, TOKEN);
    await again.answer(RIGHT, "\x1b[A\x1b[A", ENTER);
    await again.answer(START, "n");
    expect(await again.ends()).toBe(0);
    expect(configOf().cluster.url).toBe("");
  });

  for (const program of PROGRAMS) {
    inTerminal(`${program} is tried, and it is told who is in the room`, async () => {
      const server = await RoomServer.start(program);
      endings.push(() => server.stop());
      const first = await begun();
      await first.answer(CLUSTER, server.url, ENTER);
      await first.sees(`${server.url} answers. The room is called main; nobody is in it yet.`);
      await done(first);
      expect(await server.ask("KEYS", "*")).toEqual([]);
      expect(configOf().cluster).toMatchObject({ url: server.url, room: "main" });
      const node = await boot(
        "relay",
        { cluster: { url: server.url, node: "front" } },
        { clock: systemClock },
      );
      endings.push(() => node.stop());
      const second = new Person();
      await second.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER);
      await second.sees("The room is called main; there is 1 node in it: front.");
      second.press("\x03");
      await second.ends();
    });

    inTerminal(`a password of ${program} is asked for, tried, kept and never shown`, async () => {
      const server = await RoomServer.start(program, "--requirepass", SECRET);
      endings.push(() => server.stop());
      const ask = `The password of ${server.url}`;
      const person = await begun();
      await person.answer(CLUSTER, server.url, ENTER);
      await person.sees(`${server.url} cannot be used at present: it asks for a password`);
      await person.answer(ask, "wrong-one", ENTER);
      await person.sees("it does not know this user or password");
      await person.answer(ask, SECRET, ENTER);
      await person.sees(`${server.url} answers.`);
      await person.accept(TLS, TOKEN);
      await person.sees(`cluster.url = "redis://********@127.0.0.1:${server.port}"`);
      // All of the file, before it is written.
      await person.answer(RIGHT, "\x1b[B", ENTER);
      await person.sees(`url = "redis://********@127.0.0.1:${server.port}"`);
      await person.accept(RIGHT);
      await person.answer(START, "n");
      expect(await person.ends()).toBe(0);
      expect(configOf().cluster.url).toBe(`redis://:${SECRET}@127.0.0.1:${server.port}`);
      expect(modeOf("summoner.toml")).toBe(0o600);
      expect(person.raw).not.toContain(SECRET);
      expect(person.raw).not.toContain("wrong-one");
      // What is known is kept by Enter, and not shown either.
      const again = new Person();
      await again.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER);
      await again.sees(`${server.url} answers.`);
      await again.accept(TLS, TOKEN);
      await again.sees("summoner.toml says all this already.");
      again.press("\x03");
      await again.ends();
      expect(again.raw).not.toContain(SECRET);
    });

    inTerminal(`a password of ${program} may stay in the environment`, async () => {
      const server = await RoomServer.start(program, "--requirepass", SECRET);
      endings.push(() => server.stop());
      const person = await begun();
      await person.answer(CLUSTER, server.url, ENTER);
      await person.answer(`The password of ${server.url}`, ENTER);
      await done(person);
      expect(written("summoner.toml")).not.toContain(SECRET);
      expect(configOf().cluster.url).toBe(server.url);
      const known = new Person([], { env: { [PASSWORD_VARIABLE]: SECRET } });
      await known.accept(PURPOSE, SERVICES, ...ADDRESSES, GUARDED, CLUSTER);
      await known.sees(`${server.url} answers.`);
      known.press("\x03");
      await known.ends();
    });

    test(`without questions ${program} is tried too`, async () => {
      const server = await RoomServer.start(program);
      endings.push(() => server.stop());
      const set = ["--set", `cluster.url=${server.url}`];
      const there = await yes(...FREE, ...set);
      expect(there.code).toBe(0);
      expect(there.out).toContain(
        `${server.url} answers. The room is called main; nobody is in it yet.\n`,
      );
      await server.stop();
      const gone = await yes(...FREE, ...set, "--force");
      expect(gone.code).toBe(0);
      expect(gone.err).toContain(
        `cluster: ${server.url} cannot be used at present: the connection was refused\n`,
      );
    });
  }
});

test("check reports a URL that does not parse with line and column, and does not show it", async () => {
  writeFileSync(
    inFolder("summoner.toml"),
    `[cluster]\nroom = "main"\nurl = "htp://:${SECRET}@x"\n`,
  );
  const { out, err, code } = await call(["check"]);
  expect(code).not.toBe(0);
  expect(out + err).toContain("summoner.toml:3:1: cluster.url: it does not begin with redis://");
  expect(out + err).not.toContain(SECRET);
});
