import { isUtf8 } from "node:buffer";
import { type Bench, compare, medians } from "./contest.ts";
import type { Measured } from "./report.ts";
import { keyOf, storeWires, valueOf } from "./store-wire.ts";

const NEWLINE = 10;
const KEYS = { count: 100_000, valueBytes: 32 };

/** A way to read all requests of a block of bytes that ends with a newline. */
interface Strategy {
  name: string;
  /** Null when the block has to be read in another way. */
  parse(block: Buffer, lines: number): unknown[] | null;
}

const strategies: [Strategy, ...Strategy[]] = [
  { name: "line by line", parse: lineByLine },
  { name: "parseChunk", parse: chunk },
  { name: "one array", parse: oneArray },
];

/** Ways to parse a block of requests, in this process and without a server. */
export async function parsing(bench: Bench): Promise<void> {
  for (const lines of [1, 16, 64]) race(bench, lines);
}

function lineByLine(block: Buffer, lines: number): unknown[] {
  if (lines === 1) return [JSON.parse(block.toString())];
  const texts = block.toString().split("\n");
  texts.pop();
  return texts.map((text) => JSON.parse(text) as unknown);
}

function chunk(block: Buffer, lines: number): unknown[] | null {
  const { values, error } = Bun.JSONL.parseChunk(block);
  return error === null && values.length === lines && isUtf8(block) ? values : null;
}

function oneArray(block: Buffer, lines: number): unknown[] | null {
  const text = block.toString("utf8", 0, block.length - 1).replaceAll("\n", ",");
  const values = JSON.parse(`[${text}]`) as unknown[];
  return values.length === lines ? values : null;
}

function race(bench: Bench, lines: number): void {
  const { report, smoke } = bench;
  report.scenario(`parsing: blocks of ${lines} requests`);
  const blocks = blocksOf(lines, smoke ? 640 : 64_000);
  const right = verified(bench, blocks[0] ?? Buffer.alloc(0), lines);
  const rounds = new Map(right.map((strategy) => [strategy, [] as Measured[]]));
  for (let round = -1; round < bench.rounds; round++) {
    const turn = Math.max(0, round) % Math.max(1, right.length);
    for (const strategy of [...right.slice(turn), ...right.slice(0, turn)]) {
      const requests = perSecond(strategy, blocks, smoke ? 0.01 : 0.5);
      if (round >= 0) rounds.get(strategy)?.push({ requests });
    }
  }
  report.table(
    ["requests"],
    new Map([...rounds].map(([{ name }, measured]) => [name, medians(measured)])),
  );
  for (const strategy of right.slice(1)) {
    const kinds = [strategy, strategies[0]];
    compare(report, { kinds, compared: ["requests"], targets: [] }, rounds);
  }
}

/** Four GETs to one SET, as a client would send them. */
function blocksOf(lines: number, requests: number): Buffer[] {
  const { get, set } = storeWires.json;
  return Array.from({ length: requests / lines }, (_, block) => {
    let text = "";
    for (let i = block * lines; i < (block + 1) * lines; i++) {
      // A step without a common factor visits the keys in no order.
      const number = (i * 7919) % KEYS.count;
      const key = keyOf(number, KEYS);
      text += i % 5 === 0 ? set(key, valueOf(number, KEYS)) : get(key);
    }
    return Buffer.from(text);
  });
}

/** The strategies that read what the first one reads; the others are reported. */
function verified(bench: Bench, block: Buffer, lines: number): Strategy[] {
  const wanted = JSON.stringify(strategies[0].parse(block, lines));
  return strategies.filter((strategy) => {
    const same = JSON.stringify(strategy.parse(block, lines)) === wanted;
    if (!same) bench.report.error(`${strategy.name}: read something else than ${wanted}`);
    return same;
  });
}

/** Requests per second, with the count of newlines that every strategy begins with. */
function perSecond(strategy: Strategy, blocks: Buffer[], seconds: number): number {
  const began = performance.now();
  const end = began + seconds * 1000;
  let requests = 0;
  while (performance.now() < end) {
    for (const block of blocks) {
      const values = strategy.parse(block, newlines(block));
      if (values === null) throw new Error(`${strategy.name} did not take a block`);
      requests += values.length;
    }
  }
  return (requests * 1000) / (performance.now() - began);
}

function newlines(block: Buffer): number {
  let count = 0;
  for (let at = block.indexOf(NEWLINE); at >= 0; at = block.indexOf(NEWLINE, at + 1)) count++;
  return count;
}
