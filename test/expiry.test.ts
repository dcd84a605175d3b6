import { expect, test } from "bun:test";
import { Expiry } from "../lib/services/store/keys/expiry.ts";
import { Random } from "./random.ts";

test("values expire once their time has come, however often it is put off", () => {
  const random = new Random(11);
  const ends = new Map<number, number>();
  const expiry = new Expiry((id) => ends.get(id) as number);
  const forget = (id: number) => {
    expiry.remove(id, ends.get(id) as number);
    ends.delete(id);
  };
  let now = 0;
  for (let step = 0; step < 100_000; step++) {
    const isBusy = Math.floor(step / 20_000) % 2 === 0;
    const id = random.whole(0, isBusy ? 300 : 20_000);
    if (ends.has(id)) forget(id);
    if (random.whole(0, 3) > 0) {
      const end = now + random.whole(1, random.whole(0, 1) === 0 ? 500 : 10_000_000);
      ends.set(id, end);
      expiry.add(id, end);
    }
    if (expiry.size !== ends.size) expect(expiry.size).toBe(ends.size);
    if (step % 500 !== 0) continue;
    now += random.whole(0, 3000);
    const most = random.whole(0, 1) === 0 ? 10 : Infinity;
    let expired = 0;
    const expire = (one: number) => {
      expired++;
      expect(ends.get(one)).toBeLessThanOrEqual(now);
      forget(one);
    };
    const isSwept = random.whole(0, 1) === 0;
    const looked = isSwept ? expiry.sweep(now, most, expire) : expiry.settle(now, most, expire);
    expect(expired).toBeLessThanOrEqual(most);
    const overdue = [...ends.values()].filter((end) => end <= now);
    if (isSwept) {
      // It leaves the slot of now.
      if (looked < most) expect(overdue.filter((end) => end < now - (now % 100))).toEqual([]);
    } else if (looked >= 0) expect(overdue).toEqual([]);
  }
  expect(ends.size).toBeGreaterThan(1000);
});
