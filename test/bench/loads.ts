import { churn } from "./churn-load.ts";
import type { Fleet, Member } from "./fleet.ts";
import type { Load, Outcome, Setup } from "./generator.ts";
import { payload, stampNow } from "./wire.ts";

const LIMIT_MS = 60_000;
const SILENCE_MS = 5000;
const BATCH_BYTES = 64 * 1024;
/**
 * Listeners that are waited for where the others read seldom: the first, which
 * servers send to first. So the next message is there when one has been sent to
 * all, and never two of them.
 */
const AWAITED = 20;

/** Makes the text of a message that is published now. */
export type Text = () => string;

/**
 * Runs one load on connected clients. Resolves when every listener has every
 * byte it is owed and rejects when bytes stay away, when
 * a listener has too many, or when the server closes a connection.
 */
export async function runLoad(fleet: Fleet, load: Load, setup: Setup): Promise<Outcome> {
  const text: Text = () => payload(setup.payloadBytes, stampNow(), setup.json);
  const bytesBefore = fleet.received;
  const started = performance.now();
  const deliveries = await traffic(fleet, load, text);
  const seconds = (performance.now() - started) / 1000;
  const wrong = fleet.discrepancy();
  if (wrong !== null) throw new Error(wrong);
  const latencies = fleet.listeners.flatMap((member) => member.samples ?? []);
  return {
    deliveries,
    bytes: fleet.received - bytesBefore,
    seconds,
    latencies,
  };
}

function traffic(fleet: Fleet, load: Load, text: Text): Promise<number> {
  switch (load.kind) {
    case "pipelined":
      return pipelined(fleet, load.seconds, text);
    case "paced": {
      const end = performance.now() + load.seconds * 1000;
      const over = (): boolean => performance.now() >= end;
      return paced(fleet, { perSecond: load.perSecond, over, limitMs: LIMIT_MS }, text);
    }
    case "closed":
      return closed(fleet, load.seconds, text);
    case "seldom":
      return seldom(fleet, load.seconds, load.every, text);
    case "once":
      return closed(fleet, 0, text);
    case "everybody":
      return everybody(fleet, load.seconds, text);
    case "churn":
      return churn(fleet, load, text);
  }
}

/** Runs `body`, which ends by `done`; rejects on a lost connection, on silence, at the limit. */
function guarded(
  fleet: Fleet,
  body: (done: () => void, fail: (reason: string) => void) => void,
  limitMs = LIMIT_MS,
): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const finish = (act: () => void): void => {
      clearTimeout(limit);
      clearInterval(watch);
      fleet.goal = Infinity;
      fleet.onGoal = () => {};
      fleet.onLoss = () => {};
      act();
    };
    const fail = (reason: string): void => {
      finish(() =>
        reject(new Error(`${reason}; ${fleet.discrepancy() ?? "no bytes wrong so far"}`)),
      );
    };
    const limit = setTimeout(() => fail(`not all arrived in ${limitMs / 1000} s`), limitMs);
    let heard = fleet.received;
    const watch = setInterval(() => {
      if (fleet.received === heard) fail("nothing arrived any more");
      heard = fleet.received;
    }, SILENCE_MS);
    fleet.onLoss = fail;
    body(() => finish(resolve), fail);
  });
}

function publisherOf(fleet: Fleet): Member {
  const [publisher] = fleet.publishers;
  if (publisher === undefined) throw new Error("this load needs a publisher");
  return publisher;
}

/** Bytes of one message from the fleet's publisher at one listener. */
function bytesEach(fleet: Fleet, text: Text): number {
  return fleet.wire.delivered(text(), publisherOf(fleet).socket.localPort).length;
}

/** Notes that every listener is owed `bytes` more. @returns the `heard` at which all who are awaited have them */
function owe(fleet: Fleet, bytes: number): number {
  let missing = 0;
  for (const member of fleet.listeners) {
    member.owed += bytes;
    if (member.awaited) missing += member.owed - member.bytes;
  }
  return fleet.heard + missing;
}

async function pipelined(fleet: Fleet, seconds: number, text: Text): Promise<number> {
  const { socket } = publisherOf(fleet);
  const line = Buffer.from(fleet.wire.publish(text()));
  const perBatch = Math.max(1, Math.floor(BATCH_BYTES / line.length));
  const batch = Buffer.from(line.toString().repeat(perBatch));
  const size = bytesEach(fleet, text);
  const end = performance.now() + seconds * 1000;
  let batches = 0;
  let offset = 0;
  await guarded(fleet, (done, fail) => {
    const pump = (): void => {
      if (offset === 0 && batches > 0 && performance.now() >= end) {
        fleet.goal = owe(fleet, 0);
        fleet.onGoal = done;
        if (fleet.heard >= fleet.goal) done();
        return;
      }
      const want = batch.length - offset;
      const took = socket.write(batch, offset, want);
      if (took < 0) return fail("the publisher cannot write");
      if (took < want) {
        offset += took;
        return;
      }
      offset = 0;
      batches++;
      owe(fleet, perBatch * size);
      // One batch a turn, so that publishing never keeps listeners unread.
      setImmediate(pump);
    };
    socket.data.onDrain = pump;
    pump();
  });
  socket.data.onDrain = null;
  return batches * perBatch * fleet.listeners.length;
}

/** Publishes steadily until it is `over`, then waits for the last delivery. */
export async function paced(
  fleet: Fleet,
  pace: { perSecond: number; over: () => boolean; limitMs: number },
  text: Text,
): Promise<number> {
  const { socket } = publisherOf(fleet);
  const size = bytesEach(fleet, text);
  const started = performance.now();
  let sent = 0;
  await guarded(
    fleet,
    (done, fail) => {
      const publish = (): void => {
        if (pace.over()) {
          fleet.goal = owe(fleet, 0);
          fleet.onGoal = done;
          if (fleet.heard >= fleet.goal) done();
          return;
        }
        const line = fleet.wire.publish(text());
        if (socket.write(line) !== line.length) return fail("the publisher cannot write");
        sent++;
        owe(fleet, size);
        const due = started + (sent * 1000) / pace.perSecond;
        setTimeout(publish, Math.max(0, due - performance.now()));
      };
      publish();
    },
    pace.limitMs,
  );
  return sent * fleet.listeners.length;
}

async function closed(fleet: Fleet, seconds: number, text: Text): Promise<number> {
  const { publishers } = fleet;
  const count = fleet.listeners.length;
  const size = bytesEach(fleet, text);
  const end = performance.now() + seconds * 1000;
  const line = Buffer.from(fleet.wire.publish(text()));
  let sent = 0;
  await guarded(fleet, (done, fail) => {
    const publish = (): void => {
      if (sent > 0 && performance.now() >= end) return done();
      sent++;
      fleet.goal = owe(fleet, size);
      for (const { socket } of publishers) {
        if (socket.write(line) !== line.length) fail("a publisher cannot write");
      }
    };
    fleet.onGoal = publish;
    publish();
  });
  return sent * count;
}

async function seldom(fleet: Fleet, seconds: number, every: number, text: Text): Promise<number> {
  const { socket } = publisherOf(fleet);
  const { listeners } = fleet;
  const others = listeners.slice(AWAITED);
  const size = bytesEach(fleet, text);
  const end = performance.now() + seconds * 1000;
  const line = Buffer.from(fleet.wire.publish(text()));
  let sent = 0;
  const turn = (message: number): Member[] =>
    others.filter((_, i) => i % every === message % every);
  await guarded(fleet, (done, fail) => {
    const publish = (): void => {
      for (const member of turn(sent)) member.socket.pause();
      if (sent > 0 && performance.now() >= end) return readAll();
      sent++;
      for (const member of turn(sent)) member.socket.resume();
      fleet.goal = owe(fleet, size);
      if (socket.write(line) !== line.length) fail("the publisher cannot write");
    };
    const readAll = (): void => {
      for (const member of others) {
        member.awaited = true;
        member.socket.resume();
      }
      fleet.goal = owe(fleet, 0);
      fleet.onGoal = done;
      if (fleet.heard >= fleet.goal) done();
    };
    for (const member of others) {
      member.awaited = false;
      member.socket.pause();
    }
    fleet.onGoal = publish;
    publish();
  });
  return sent * listeners.length;
}

async function everybody(fleet: Fleet, seconds: number, text: Text): Promise<number> {
  const { wire, listeners } = fleet;
  const count = listeners.length;
  const line = Buffer.from(wire.publish(text()));
  const sizes = listeners.map((member) => wire.delivered(text(), member.socket.localPort).length);
  const all = sizes.reduce((sum, size) => sum + size, 0);
  const each = sizes.map((size) => all - (wire.echoes ? 0 : size) + wire.replyBytes(count));
  const bytesPerRound = each.reduce((sum, bytes) => sum + bytes, 0);
  const end = performance.now() + seconds * 1000;
  let rounds = 0;
  await guarded(fleet, (done, fail) => {
    const publish = (): void => {
      if (rounds > 0 && performance.now() >= end) return done();
      rounds++;
      fleet.goal = fleet.heard + bytesPerRound;
      for (const member of listeners) {
        if (member.socket.write(line) !== line.length) return fail("a client cannot write");
      }
    };
    fleet.onGoal = publish;
    publish();
  });
  listeners.forEach((member, i) => {
    member.owed += rounds * (each[i] ?? 0);
  });
  return rounds * count * (wire.echoes ? count : count - 1);
}
