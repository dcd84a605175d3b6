import { cpuSeconds, percentile } from "./measure.ts";
import type { Answer, Job, Outcome, Traffic } from "./store-jobs.ts";
import { type Link, Links } from "./store-links.ts";
import { type Keys, keyOf, type StoreWire, storeWires, valueOf } from "./store-wire.ts";

/** Requests made beforehand, all connections together: enough not to repeat soon. */
const PREPARED = 200_000;
const SAMPLED_LINKS = 10;
const CHECKED = 1000;
const FILLING = { connections: 8, batch: 100 };

/** Requests and the replies to them, ready for one connection. */
interface Script {
  requests: Buffer;
  /** Offsets in `requests`: the begin of each batch, and the end of the last one. */
  starts: number[];
  /** Bytes that answer each batch. */
  replies: number[];
  /** The first batch as text, to be verified. */
  first: { requests: string; replies: string };
}

/** Random whole numbers below `limit`, the same for every server (mulberry32). */
function randomOf(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

function scriptOf(wire: StoreWire, keys: Keys, traffic: Traffic, seed: number): Script {
  const { connections, pipeline, gets } = traffic;
  const random = randomOf(seed);
  const batches = Math.max(1, Math.floor(PREPARED / connections / pipeline));
  const texts: string[] = [];
  const script: Script = {
    requests: Buffer.alloc(0),
    starts: [0],
    replies: [],
    first: { requests: "", replies: "" },
  };
  for (let batch = 0; batch < batches; batch++) {
    let requests = "";
    let replies = "";
    for (let i = 0; i < pipeline; i++) {
      const number = random(keys.count);
      const key = keyOf(number, keys);
      const value = valueOf(number, keys);
      const get = random(1000) < gets * 1000;
      requests += get ? wire.get(key) : wire.set(key, value);
      replies += get ? wire.found(value) : wire.stored;
    }
    if (batch === 0) script.first = { requests, replies };
    texts.push(requests);
    script.starts.push((script.starts.at(-1) ?? 0) + requests.length);
    script.replies.push(replies.length);
  }
  script.requests = Buffer.from(texts.join(""));
  return script;
}

/** Every connection asks on and on until the time is over; answers how many batches came back. */
async function drive(
  links: Links,
  scripts: Script[],
  seconds: number,
  samples: number[],
): Promise<number> {
  let batches = 0;
  await links.guarded((done) => {
    const end = performance.now() + seconds * 1000;
    let busy = links.all.length;
    const begin = (link: Link, script: Script, sampled: boolean): void => {
      const { requests, starts, replies } = script;
      let at = 0;
      let asked = 0;
      const ask = (now: number): void => {
        if (at === replies.length) at = 0;
        asked = now;
        const size = replies[at] ?? 0;
        links.ask(link, requests, starts[at++] ?? 0, starts[at] ?? 0, size);
      };
      link.look = null;
      link.answered = () => {
        batches++;
        const now = performance.now();
        if (sampled) samples.push((now - asked) * 1000);
        if (now < end) return ask(now);
        if (--busy === 0) done();
      };
      ask(performance.now());
    };
    links.all.forEach((link, i) => begin(link, scripts[i] as Script, i < SAMPLED_LINKS));
  });
  return batches;
}

async function runTraffic(links: Links, job: Job & Traffic): Promise<Outcome> {
  const wire = storeWires[job.wire];
  await links.open(job.port, job.connections);
  const scripts = links.all.map((_, i) => scriptOf(wire, job.keys, job, i + 1));
  /** After the bytes were only counted, this shows that replies are still in step. */
  const check = (): Promise<void> =>
    links.guarded((done) => {
      const every = links.all.map((link, i) => {
        const { requests, replies } = (scripts[i] as Script).first;
        return links.verified(link, requests, replies);
      });
      void Promise.all(every).then(done);
    });
  await check();
  await drive(links, scripts, job.warmUpSeconds, []);
  const samples: number[] = [];
  const serverBefore = cpuSeconds(job.pid);
  const ownBefore = process.cpuUsage();
  const began = performance.now();
  const batches = await drive(links, scripts, job.seconds, samples);
  const seconds = (performance.now() - began) / 1000;
  const own = process.cpuUsage(ownBefore);
  const serverAfter = cpuSeconds(job.pid);
  await check();
  return {
    requests: batches * job.pipeline,
    seconds,
    serverCpu: serverBefore === null || serverAfter === null ? null : serverAfter - serverBefore,
    generatorCpu: (own.user + own.system) / 1e6,
    latencies: { p50: percentile(samples, 0.5), p99: percentile(samples, 0.99) },
  };
}

async function fill(links: Links, job: Job): Promise<Outcome> {
  const { keys } = job;
  const wire = storeWires[job.wire];
  await links.open(job.port, FILLING.connections);
  const began = performance.now();
  let next = 0;
  const setAll = async (link: Link): Promise<void> => {
    while (next < keys.count) {
      const from = next;
      next = Math.min(keys.count, from + FILLING.batch);
      let requests = "";
      for (let i = from; i < next; i++) requests += wire.set(keyOf(i, keys), valueOf(i, keys));
      await links.verified(link, requests, wire.stored.repeat(next - from));
    }
  };
  const getSome = async (link: Link): Promise<void> => {
    const step = Math.max(1, Math.floor(keys.count / CHECKED));
    for (let i = 0; i < keys.count; i += step) {
      await links.verified(link, wire.get(keyOf(i, keys)), wire.found(valueOf(i, keys)));
    }
  };
  await links.guarded((done) => {
    void Promise.all(links.all.map(setAll))
      .then(() => getSome(links.all[0] as Link))
      .then(done);
  });
  return {
    requests: keys.count,
    seconds: (performance.now() - began) / 1000,
    serverCpu: null,
    generatorCpu: 0,
    latencies: { p50: NaN, p99: NaN },
  };
}

async function answerTo(job: Job): Promise<Answer> {
  const links = new Links();
  try {
    const outcome = job.kind === "fill" ? await fill(links, job) : await runTraffic(links, job);
    return { outcome };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  } finally {
    links.close();
  }
}

console.log(JSON.stringify(await answerTo(JSON.parse(Bun.argv[2] ?? "") as Job)));
process.exit(0);
