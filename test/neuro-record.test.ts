import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { version } from "../package.json";
import { placeOf } from "../lib/config/place.ts";
import { HandClock } from "../lib/host/clock.ts";
import { FileShares } from "../lib/host/files/file-shares.ts";
import { Log } from "../lib/host/log.ts";
import { neuro, startNeuro as start } from "../lib/services/neuro/neuro.ts";
import { recordName, roomFor } from "../lib/services/neuro/record/folder.ts";
import { Recording } from "../lib/services/neuro/record/recording.ts";
import { type Booted, configOf, until } from "./kit.ts";
import { connect, dialGame, enter, gameOf, startNeuro, turns } from "./neuro-suite.ts";
import { mounted, unmount } from "./small-disk.ts";

// [neuro] record: the session of each connection in a file.

const root = mkdtempSync(join(tmpdir(), "summoner-record-"));
const small = join(root, "small-disk");
const canMount = mounted(small, "size=64k");
afterAll(() => {
  if (canMount) unmount(small);
  rmSync(root, { recursive: true, force: true });
});

let count = 0;
const fresh = () => join(root, `records-${++count}`);

const filesIn = (folder: string) => (existsSync(folder) ? readdirSync(folder).toSorted() : []);

/** The lines of the only record of a folder. */
function linesIn(folder: string): Record<string, any>[] {
  const [name, ...more] = filesIn(folder);
  expect(more).toEqual([]);
  const text = readFileSync(join(folder, name as string), "utf8");
  expect(text).toEndWith("\n");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Waits until every connection has gone, and its record is closed. */
async function closed(server: Booted): Promise<void> {
  await until(() => server.stats()["clients"] === 0 && server.stats()["recording"] === 0);
  await server.stop();
}

describe("a record", () => {
  test("has a head, both directions, and every step of forces, actions and results, with times", async () => {
    const record = fresh();
    const server = await startNeuro({ record, random_delay_ms: 300, force_retries: 1 });
    const game = await connect(server, "Test Game");
    server.clock.advance(50);
    game.send("startup");
    await game.next();
    game.register("a");
    game.force(["a", "b"], { priority: "high" });
    await until(() => gameOf(server)?.force?.state === "choosing");
    server.clock.advance(300);
    const { id } = await game.action();
    server.clock.advance(40);
    game.result(id, false, "Not now.");
    await until(() => gameOf(server)?.force?.state === "choosing");
    server.clock.advance(300);
    const second = await game.action();
    game.result(second.id, true);
    await until(() => server.stats()["forces_succeeded"] === 1);
    game.close();
    await closed(server);
    const [head, ...lines] = linesIn(record);
    const [name = ""] = filesIn(record);
    expect(server.stats()["recorded_bytes"]).toBe(statSync(join(record, name)).size);
    expect(head).toEqual({
      kind: "record",
      version: 1,
      program: `summoner ${version}`,
      at: "2026-01-02T03:04:05.678Z",
      game: "Test Game",
    });
    const frames = lines.filter(({ kind }) => kind === "in" || kind === "out");
    expect(frames.map(({ kind, ms, text }) => [kind, ms, JSON.parse(text).command])).toEqual([
      ["in", 50, "startup"],
      ["out", 50, "startup"],
      ["in", 50, "actions/register"],
      ["in", 50, "actions/force"],
      ["out", 350, "action"],
      ["in", 390, "action/result"],
      ["out", 690, "action"],
      ["in", 690, "action/result"],
    ]);
    const timeline = lines.filter(({ kind }) => kind !== "in" && kind !== "out");
    const force = { kind: "force", force: 1, priority: "high", names: ["a"], game: "Test Game" };
    const action = { kind: "action", name: "a", force: 1, game: "Test Game" };
    const result = { kind: "result", name: "a", force: 1, how: "answered", game: "Test Game" };
    expect(timeline).toEqual([
      expect.objectContaining({ kind: "diagnostic", code: "N211", severity: "warning", ms: 50 }),
      { ...force, state: "queued", after: 0, retries: 0, ms: 50 },
      { ...force, state: "choosing", after: 0, retries: 0, ms: 50 },
      { ...action, id, after: 300, ms: 350 },
      { ...force, state: "sent", after: 300, retries: 0, ms: 350 },
      { ...result, id, success: false, message: "Not now.", after: 40, ms: 390 },
      expect.objectContaining({ kind: "diagnostic", code: "N301", ms: 390 }),
      { ...force, state: "choosing", after: 340, retries: 1, ms: 390 },
      { ...action, id: second.id, after: 640, ms: 690 },
      { ...force, state: "sent", after: 640, retries: 1, ms: 690 },
      { ...result, id: second.id, success: true, message: "", after: 0, ms: 690 },
      { ...force, state: "succeeded", after: 640, retries: 1, ms: 690 },
      { kind: "end", ms: 690, why: "closed" },
    ]);
  });

  test("is one for each connection, and for all games on it", async () => {
    const record = fresh();
    const server = await startNeuro({ record });
    const [one, other] = [await enter(server, "One"), await enter(server, "Other")];
    one.raw('{"command":"startup","game":"Two"}');
    await one.next();
    expect(server.stats()["recording"]).toBe(2);
    one.close();
    other.close();
    await closed(server);
    expect(filesIn(record).map((name) => name.replace(/^.*-/, ""))).toEqual([
      "One.jsonl",
      "Other.jsonl",
    ]);
    const first = readFileSync(join(record, filesIn(record)[0] as string), "utf8");
    expect(first).toContain("Two");
    expect(first).not.toContain("Other");
  });

  test("is readable by its owner alone, and on one line a line, whatever is sent", async () => {
    const record = fresh();
    const server = await startNeuro({ record });
    const game = await enter(server, "Rude");
    const text = "a\nb\u2028c\u202ed\u001b[31m\ud800";
    game.send("context", { message: text, silent: true });
    await until(() => server.stats()["messages_in"] === 3);
    game.close();
    await closed(server);
    const [name = ""] = filesIn(record);
    expect(statSync(record).mode & 0o777).toBe(0o700);
    expect(statSync(join(record, name)).mode & 0o777).toBe(0o600);
    const kept = readFileSync(join(record, name), "utf8");
    for (const unsafe of ["\u2028", "\u202e", "\u001b"]) expect(kept).not.toContain(unsafe);
    const said = linesIn(record).findLast(({ kind }) => kind === "in");
    expect(JSON.parse(said?.["text"]).data.message).toBe(text);
  });

  test("is there of a connection that only talks rubbish, and not of one that says nothing, or wants a voice", async () => {
    const record = fresh();
    const server = await startNeuro({ record, reregister: "always" });
    const silent = await connect(server);
    await silent.next();
    const voice = await connect(server, "Voice", "/game/Voice/voice");
    voice.send("voice/start");
    await voice.closed;
    silent.close();
    const rude = await connect(server);
    rude.raw("rubbish");
    await until(() => server.stats()["messages_in"] === 2);
    rude.close();
    await closed(server);
    const [head, ...lines] = linesIn(record);
    expect(head?.["game"]).toBe("");
    expect(lines.map(({ kind, text }) => `${kind} ${text}`)).toEqual([
      'out {"command":"actions/reregister_all"}',
      "in rubbish",
      "end undefined",
    ]);
  });

  test("waits for the name of the game only so long", async () => {
    const record = fresh();
    const server = await startNeuro({ record });
    const game = await connect(server);
    game.raw("x".repeat(100_000));
    await until(() => server.stats()["recording"] === 1);
    game.send("startup");
    await game.next();
    game.close();
    await closed(server);
    expect(linesIn(record).map(({ kind }) => kind)).toEqual(["record", "in", "in", "out", "end"]);
  });

  test("ends when it is full, and the game plays on", async () => {
    const record = fresh();
    const server = await startNeuro({ record, record_file_bytes: 4096 });
    const game = await enter(server);
    for (let i = 0; i < 50; i++) game.send("context", { message: "x".repeat(200), silent: true });
    game.force(["a"]);
    game.result((await game.action()).id, true);
    await until(() => server.stats()["forces_succeeded"] === 1);
    await until(() => server.stats()["recording"] === 0);
    game.close();
    await closed(server);
    expect(linesIn(record).at(-1)).toEqual({ kind: "end", ms: 0, why: "full" });
    const [name = ""] = filesIn(record);
    expect(statSync(join(record, name)).size).toBeLessThanOrEqual(4096);
    expect(server.printed().match(/a record is full/g)).toHaveLength(1);
  });

  test("takes a line that just fits, and none a byte longer", async () => {
    const options = (mostBytes: number) => ({
      clock: new HandClock(),
      mostBytes,
      written: () => {},
      failed: () => {},
    });
    for (const [mostBytes, fits] of [
      [1101, true],
      [1100, false],
    ] as const) {
      const path = join(fresh(), "a.jsonl");
      const recording = new Recording(path, options(mostBytes));
      expect(recording.add("ü".repeat(500), 0)).toBe(fits);
      recording.end(0, "closed");
      await recording.close();
      const why = fits ? "closed" : "full";
      expect(readFileSync(path, "utf8")).toEndWith(`{"kind":"end","ms":0,"why":"${why}"}\n`);
      expect(recording.bytes).toBe(statSync(path).size);
    }
  });
});

describe("the name of a record", () => {
  const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
  test.each([
    ["Slay the Spire", "-Slay_the_Spire"],
    ["../../etc/passwd", "-_etc_passwd"],
    ["..", "-_"],
    ["C:\\x\0y\n", "-C_x_y_"],
    ["", ""],
    ["魔法 e\u0301", "-魔法_é"],
    ["\u202eevil\ud800", "-_evil_"],
    ["x".repeat(1000), `-${"x".repeat(40)}`],
    ["𝒳".repeat(1000), `-${"𝒳".repeat(40)}`],
  ])("has nothing but letters and digits of it: %#", (game, end) => {
    const name = recordName(AT, 7, game);
    expect(name).toBe(`2026-01-02T03-04-05-006Z-7${end}.jsonl`);
    expect(basename(name)).toBe(name);
    expect(Buffer.byteLength(name)).toBeLessThan(255);
  });

  test("is not that of a file that is there", () => {
    const folder = fresh();
    mkdirSync(folder);
    const name = recordName(AT, 7, "Game");
    for (const end of ["Game", "Game-2", "Game-3"]) {
      expect(roomFor(folder, name, 100, new Set())).toEndWith(`-7-${end}.jsonl`);
      writeFileSync(join(folder, `2026-01-02T03-04-05-006Z-7-${end}.jsonl`), "");
    }
  });
});

describe("the folder of records", () => {
  test("keeps the newest, and what is none of them", async () => {
    const record = fresh();
    mkdirSync(record);
    for (const name of ["notes.txt", "0.jsonl", "2020-01-01-x.jsonl"]) {
      writeFileSync(join(record, name), "");
    }
    const server = await startNeuro({ record, record_files: 2 });
    for (const name of ["One", "Two", "Three"]) {
      const game = await enter(server, name);
      game.close();
      await until(() => server.stats()["clients"] === 0 && server.stats()["recording"] === 0);
      server.clock.advance(1000);
    }
    await closed(server);
    expect(filesIn(record).map((name) => name.replace(/^2026.*-/, ""))).toEqual([
      "0.jsonl",
      "2020-01-01-x.jsonl",
      "Two.jsonl",
      "Three.jsonl",
      "notes.txt",
    ]);
  });

  test("loses none that is being written: beyond the bound a session is not recorded, which is told", async () => {
    const record = fresh();
    const server = await startNeuro({ record, record_files: 2 });
    for (const name of ["One", "Two", "Three", "Four"]) {
      const game = await enter(server, name);
      game.force(["a"]);
      await game.action();
    }
    expect(filesIn(record)).toHaveLength(2);
    expect(server.stats()["recording"]).toBe(2);
    expect(server.printed().match(/that of Three/g)).toHaveLength(1);
    expect(server.printed()).not.toContain("that of Four");
  });

  test("takes no more files of the process than a thirty-second at once", async () => {
    const record = fresh();
    const config = configOf({ neuro: { enabled: true, port: 0, record, random_delay_ms: 0 } });
    const clock = new HandClock();
    const printed: string[] = [];
    const log = new Log("neuro", config.logger, clock, (text) => printed.push(text));
    const files = new FileShares([{ name: "neuro", maxClients: 8, isMain: true }], 64);
    let lastId = 0;
    const host = { clock, log, files, nextId: () => ++lastId };
    const { serving } = await start(config, placeOf(config, "neuro"), host);
    const port = serving.addresses[0]?.port as number;
    const games = [];
    for (const name of ["One", "Two", "Three"]) {
      const game = await dialGame(port, name);
      games.push(game);
      game.send("startup");
      await game.next();
    }
    expect(serving.stats()["recording"]).toBe(2);
    expect(filesIn(record).map((name) => name.replace(/^.*-/, ""))).toEqual([
      "One.jsonl",
      "Two.jsonl",
    ]);
    expect(printed.join("")).toContain("that of Three");
    for (const game of games) game.close();
    await until(() => serving.stats()["clients"] === 0 && serving.stats()["recording"] === 0);
    const stopped = serving.drain(1000).then(() => log.close());
    let isOver = false;
    void stopped.then(() => {
      isOver = true;
    });
    while (!isOver) {
      clock.advance(250);
      await turns(1);
    }
  });

  test("is one that files can be made in, which check sees", async () => {
    const file = join(root, "a-file");
    writeFileSync(file, "");
    const message = `cannot record in ${file}: it is no folder`;
    const config = configOf({ neuro: { enabled: true, port: 0, record: file } });
    expect(neuro.check(config)).toEqual([{ key: "neuro.record", message }]);
    await expect(startNeuro({ record: file })).rejects.toThrow(`neuro.record: ${message}`);
    const server = await startNeuro();
    expect(server.reload({ neuro: { record: file } })).toEqual([
      `neuro.record: ${message}; the settings of the neuro stay as they were`,
    ]);
  });

  test("comes and goes by reload", async () => {
    const record = fresh();
    const server = await startNeuro();
    const before = await enter(server, "Before");
    server.reload({ neuro: { record, random_delay_ms: 0 } });
    before.force(["a"]);
    await before.action();
    const game = await enter(server, "Recorded");
    expect(filesIn(record)).toHaveLength(1);
    server.reload({ neuro: {} });
    const after = await enter(server, "After");
    for (const one of [before, game, after]) one.close();
    await closed(server);
    expect(linesIn(record).at(-1)).toMatchObject({ kind: "end", why: "stopped" });
    expect(filesIn(record)[0]).toEndWith("-Recorded.jsonl");
  });

  test("ends as stopped with the server: nobody knows what the game would have said", async () => {
    const record = fresh();
    const server = await startNeuro({ record });
    const game = await enter(server, "Test Game");
    await server.stop();
    await game.closed;
    await closed(server);
    expect(linesIn(record).at(-1)).toMatchObject({ kind: "end", why: "stopped" });
  });
});

describe("where nothing can be written", () => {
  test.if(canMount)("games play on, which is told once, and recording begins again", async () => {
    const record = join(small, "records");
    const server = await startNeuro({ record });
    const [one, other] = [await enter(server, "One"), await enter(server, "Other")];
    const play = async (game = one) => {
      game.force(["a"]);
      game.result((await game.action()).id, true);
      await until(() => gameOf(server, game.name)?.force === null);
    };
    const filler = join(small, "filler");
    expect(() => writeFileSync(filler, Buffer.alloc(2 ** 17))).toThrow("ENOSPC");
    one.send("context", { message: "x".repeat(10_000), silent: true });
    await play();
    server.clock.advance(250);
    await until(() => !server.running("neuro").health().ok);
    expect(server.running("neuro").health()).toEqual({
      ok: false,
      reason: "cannot record: no space left on device",
    });
    await play();
    await play(other);
    await until(() => server.stats()["recording"] === 0);
    // Those that come now are not recorded either, and nothing more is told of it.
    await play(await enter(server, "Third"));
    server.clock.advance(11_000);
    const fourth = await enter(server, "Fourth");
    await play(fourth);
    server.clock.advance(250);
    await until(() => server.stats()["recording"] === 0);
    expect(
      server.printed().match(/recording stops, cannot write \S+: no space left/g),
    ).toHaveLength(1);
    rmSync(filler);
    // The disk is left alone for ten seconds.
    server.clock.advance(9_750);
    await enter(server, "Early");
    expect(filesIn(record).filter((name) => name.includes("Early"))).toEqual([]);
    server.clock.advance(250);
    const fifth = await enter(server, "Fifth");
    await play(fifth);
    server.clock.advance(250);
    await until(() => server.running("neuro").health().ok);
    expect(server.printed().match(/recording again/g)).toHaveLength(1);
    fifth.close();
    await until(() => server.stats()["recording"] === 0);
    await server.stop();
    const kept = filesIn(record).filter((name) => name.endsWith("-Fifth.jsonl"));
    expect(readFileSync(join(record, kept[0] as string), "utf8")).toContain('"why":"closed"');
  });

  test("a folder that has become a file is told of, and harms no game", async () => {
    const record = fresh();
    const server = await startNeuro({ record });
    writeFileSync(record, "");
    const game = await enter(server);
    game.force(["a"]);
    await game.action();
    await turns();
    expect(server.running("neuro").health().reason).toStartWith("cannot record: ");
    expect(server.printed().match(/recording stops/g)).toHaveLength(1);
    // Switched off, there is nothing that ails.
    server.reload({ neuro: {} });
    expect(server.running("neuro").health().ok).toBe(true);
  });
});
