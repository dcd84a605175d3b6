import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { HandClock, systemClock } from "../lib/host/clock.ts";

const root = join(import.meta.dir, "..");

describe("the clock moved by hand", () => {
  test("stands still until it is moved", () => {
    const clock = new HandClock(1000);
    expect([clock.now(), clock.wall()]).toEqual([0, 1000]);
    clock.advance(250);
    expect([clock.now(), clock.wall()]).toEqual([250, 1250]);
  });

  test("every: first after one period, then each period, until ended", () => {
    const clock = new HandClock();
    const calls: number[] = [];
    const stop = clock.every(10, () => calls.push(clock.now()));
    clock.advance(9);
    expect(calls).toEqual([]);
    clock.advance(1);
    expect(calls).toEqual([10]);
    clock.advance(25);
    expect(calls).toEqual([10, 20, 30]);
    stop();
    clock.advance(100);
    expect(calls).toEqual([10, 20, 30]);
  });

  test("every: a period is at least one millisecond", () => {
    const clock = new HandClock();
    let calls = 0;
    clock.every(0, () => calls++);
    clock.advance(3);
    expect(calls).toBe(3);
  });

  test("after: once, at its time, unless cancelled", () => {
    const clock = new HandClock();
    const calls: string[] = [];
    clock.after(5, () => calls.push("a"));
    const cancel = clock.after(5, () => calls.push("b"));
    cancel();
    cancel();
    clock.advance(4);
    expect(calls).toEqual([]);
    clock.advance(1);
    clock.advance(50);
    expect(calls).toEqual(["a"]);
  });

  test("jobs run in the order of their times, at their times", () => {
    const clock = new HandClock();
    const calls: string[] = [];
    const say = (what: string) => () => calls.push(`${what}@${clock.now()}`);
    clock.after(30, say("late"));
    clock.every(20, say("every"));
    clock.after(10, say("early"));
    clock.after(0, say("at once"));
    clock.advance(40);
    expect(calls).toEqual(["at once@0", "early@10", "every@20", "late@30", "every@40"]);
  });

  test("a job may add and end jobs, itself included", () => {
    const clock = new HandClock();
    const calls: string[] = [];
    const stop = clock.every(10, () => {
      calls.push("once");
      stop();
      clock.after(5, () => calls.push(`then@${clock.now()}`));
      other();
    });
    const other = clock.every(10, () => calls.push("never"));
    clock.advance(100);
    expect(calls).toEqual(["once", "then@15"]);
  });
});

describe("the system's clock", () => {
  test("tells a time that grows, and the time of day", () => {
    const first = systemClock.now();
    expect(systemClock.now()).toBeGreaterThanOrEqual(first);
    expect(Math.abs(systemClock.wall() - Date.now())).toBeLessThan(60_000);
  });

  test("runs jobs, cancels jobs", async () => {
    const calls: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = systemClock.after(1, () => calls.push("cancelled"));
    const stop = systemClock.every(1, () => {
      calls.push("every");
      if (calls.length < 3) return;
      stop();
      systemClock.after(1, resolve);
    });
    cancel();
    await promise;
    expect(calls).toEqual(["every", "every", "every"]);
  });

  /** Runs a program with a clock in it to its end. */
  async function runs(body: string) {
    const clock = JSON.stringify(join(root, "lib/host/clock.ts"));
    const child = Bun.spawn(
      [process.execPath, "-e", `const { systemClock: clock } = await import(${clock}); ${body}`],
      { stdout: "pipe", stderr: "pipe" },
    );
    const said = await new Response(child.stdout).text();
    return [await child.exited, said];
  }

  test("keeps a process up for its jobs and lets it end without any", async () => {
    expect(await runs('clock.after(1, () => process.stdout.write("done"))')).toEqual([0, "done"]);
    expect(await runs('clock.every(5000, () => {})(); process.stdout.write("ended")')).toEqual([
      0,
      "ended",
    ]);
    expect(
      await runs(
        'clock.after(5000, () => {})(); clock.after(1, () => process.stdout.write("again"))',
      ),
    ).toEqual([0, "again"]);
  });

  test("a late call is not made up for", async () => {
    const body = `
      let calls = 0;
      const stop = clock.every(1, () => {
        if (++calls === 1) Bun.sleepSync(120);
      });
      clock.after(100, () => { stop(); process.stdout.write(String(calls)); });
    `;
    // Making up for the calls that it slept through would take 100.
    const [code, said] = await runs(body);
    expect(code).toBe(0);
    expect(Number(said)).toBeWithin(1, 20);
  });

  test("after a pause, what waits in the sockets is read before any job runs", async () => {
    const body = `
      const said = [];
      const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: {
        open: (socket) => socket.write("hello"),
        data: (_, bytes) => said.push(bytes.toString()),
      } });
      const { promise, resolve } = Promise.withResolvers();
      const peer = await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data: resolve } });
      await promise;
      const stop = clock.every(300, () => {
        said.push("job");
        stop();
        process.stdout.write(said.join());
        process.exit();
      });
      setImmediate(() => {
        peer.write("one");
        Bun.sleepSync(400);
        setImmediate(() => peer.write("two"));
      });
    `;
    expect(await runs(body)).toEqual([0, "one,two,job"]);
  });

  test("a loop that is always late holds no job up for long", async () => {
    const body = `
      let done = false;
      const busy = () => {
        Bun.sleepSync(300);
        if (!done) setImmediate(busy);
      };
      busy();
      clock.after(1, () => {
        done = true;
        process.stdout.write("ran");
      });
    `;
    expect(await runs(body)).toEqual([0, "ran"]);
  });
});

test("there is one setInterval in the whole program, and no setTimeout", async () => {
  const files = ["index.ts"];
  // The dashboard's script runs in a browser.
  for await (const name of new Bun.Glob("lib/**/*.ts").scan(root)) files.push(name);
  expect(files.length).toBeGreaterThan(20);
  const found: string[] = [];
  for (const name of files) {
    const text = await Bun.file(join(root, name)).text();
    for (const [call] of text.matchAll(/set(?:Interval|Timeout)\(|Bun\.sleep\(/g))
      found.push(`${name}: ${call}`);
  }
  expect(found).toEqual(["lib/host/clock.ts: setInterval("]);
});
