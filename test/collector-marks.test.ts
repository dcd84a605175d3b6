import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Marks, MOST_CLIENTS } from "../lib/services/collector/file/marks.ts";

function marks(): Marks {
  return new Marks(fs, join(fs.mkdtempSync(join(tmpdir(), "marks-")), "log.marks"), 0);
}

test("names that were only said push no client out", () => {
  const all = marks();
  all.took("a", all.of("a", 0), 0, 0);
  for (let n = 0; n < 2 * MOST_CLIENTS; n++) all.of(`other ${n}`, 5);
  expect(all.size).toBe(1);
  expect(all.of("a", 0)).toEqual({ next: 1, entry: 1 });
});

test("of the clients that have sent something those are kept that were heard last", () => {
  const all = marks();
  for (let n = 0; n < MOST_CLIENTS; n++) all.took(`c${n}`, all.of(`c${n}`, 0), 0, n);
  expect(all.size).toBe(MOST_CLIENTS);
  // The first one is heard of again, so the second is the one to go.
  all.of("c0", 0);
  all.took("new", all.of("new", 0), 0, MOST_CLIENTS);
  expect(all.size).toBe(MOST_CLIENTS);
  expect(all.of("c0", 0).next).toBe(1);
  expect(all.of("c1", 0).next).toBe(0);
});

test("a file that somebody has removed is written anew", () => {
  const path = join(fs.mkdtempSync(join(tmpdir(), "marks-")), "log.marks");
  const all = new Marks(fs, path, 0);
  all.took("a", all.of("a", 0), 0, 0);
  all.write();
  fs.unlinkSync(path);
  all.shorten();
  all.close();
  expect(new Marks(fs, path, 1).of("a", 0).next).toBe(1);
});
