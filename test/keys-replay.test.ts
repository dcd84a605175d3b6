import { describe, expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import { checkLines } from "../lib/services/store/keys/replay.ts";
import { everything } from "./keys-model.ts";

const nobody = { any: false, set: () => {}, gone: () => {} };

function open(): { keys: Keys; put: (...lines: string[]) => number } {
  const keys = new Keys(new HandClock(1000), nobody, () => Infinity);
  const put = (...lines: string[]) => keys.restore(Buffer.from(lines.join("\n")));
  return { keys, put };
}

const NAMES = [
  "a",
  "a^b",
  "users^42^name",
  "é",
  "漢^\u{1f600}",
  'q"uote',
  "back\\slash",
  "x".repeat(256),
];
const VALUES = [
  '"text"',
  '""',
  '"é漢\u{1f600}"',
  '"a\\"b\\\\"',
  '"[1,2]"',
  '","',
  '"]"',
  "0",
  "7",
  "-7",
];
VALUES.push(
  "123456789012345",
  "1234567890123456",
  "1.5",
  "-0.25",
  "1e+21",
  "true",
  "false",
  "null",
);
VALUES.push("[]", "{}", '[1,"]",[2]]', '{"a":{"b":[1,2,{"c":null}]},"é":"\\n"}', '"\\ud800"');

describe("records that are read back", () => {
  test("set what stands in them, however it is written", () => {
    const { keys, put } = open();
    const lines: string[] = [];
    const expected = new Map<string, unknown>();
    let version = 0;
    for (const name of NAMES) {
      for (const value of VALUES) {
        for (const wall of [0, 5000]) {
          version++;
          const path = `${name}^${version}`;
          lines.push(`["set",${JSON.stringify(path)},${version},${wall},${value}]`);
          const expiresAt = wall === 0 ? Infinity : 4000;
          expected.set(path, { text: value, version, expiresAt });
        }
      }
    }
    expect(checkLines(Buffer.from(lines.join("\n")))).toBe(lines.length);
    expect(put(...lines)).toBe(lines.length);
    for (const [path, found] of expected) {
      expect<unknown>([path, keys.get(path.split("^"))]).toEqual([path, found]);
    }
    expect(keys.size).toBe(expected.size);
    expect(keys.expiring).toBe(expected.size / 2);
    // Once more, with other values, in the place of those.
    const changed = lines.map((line) => line.replace(/,\d+,\d+,.*$/, ',9999,0,"changed"]'));
    expect(put(...changed)).toBe(lines.length);
    for (const path of expected.keys()) {
      expect<unknown>(keys.get(path.split("^"))).toEqual({
        text: '"changed"',
        version: 9999,
        expiresAt: Infinity,
      });
    }
    expect([keys.size, keys.expiring]).toEqual([expected.size, 0]);
  });

  test("are found beside those of another form, in their order", () => {
    const { keys, put } = open();
    const read = () => everything(keys).map((name) => [name, keys.get(name.split("^"))?.text]);
    put('["set","a",1,0,1]', '["set","a^b",1,0,2]', '["del","a"]', '["set","c",3,0,3]');
    expect(read()).toEqual([
      ["a^b", "2"],
      ["c", "3"],
    ]);
    put('["deltree","a"]', '["set","a^b",5,0,"again"]', '["expire","c",2000]', '["floor",7]');
    expect(read()).toEqual([
      ["a^b", '"again"'],
      ["c", "3"],
    ]);
    expect([keys.get(["c"])?.expiresAt, keys.set(["new"], "1", {})]).toEqual([1000, 8]);
  });

  test("of forms that are none of this version's are refused, and change nothing", () => {
    const bad = [
      '["set","k",1,0,1,2]',
      '["set","k",1,0]',
      '["set","k",1,0,]',
      '["set","k",01,0,1]',
    ];
    bad.push('["set","k",-1,0,1]', '["set","k",1,-1,1]', '["set","k",1.5,0,1]', '["set","",1,0,1]');
    bad.push('["set","k",9007199254740992,0,1]', '["set","k",1,0,1]x', '["set","k",1,0,x]');
    bad.push(
      '["set","k",1,0,"a","b"]',
      '["set","k",1,0,"a]',
      '["set","k",1,0,01]',
      '["set","k",1,0,-]',
    );
    bad.push(
      '["set","k",1,0,"\t"]',
      '["set","k\t",1,0,1]',
      '["set", "k",1,0,1',
      '["other","k"]',
      "{}",
    );
    bad.push(
      '["set","k"]',
      '["set",1,1,0,1]',
      '["del","k",1]',
      '["toString","k"]',
      "",
      "1",
      "null",
    );
    for (const line of bad) {
      const { keys, put } = open();
      put('["set","k",4,0,"before"]');
      expect(() => put(line, "[]")).toThrow();
      expect(() => checkLines(Buffer.from(`${line}\n`))).toThrow();
      expect([line, keys.get(["k"])]).toEqual([
        line,
        { text: '"before"', version: 4, expiresAt: Infinity },
      ]);
      expect(keys.size).toBe(1);
    }
  });

  test("that are no UTF-8 get no bytes into a name that no client could send", () => {
    const { keys } = open();
    const line = Buffer.from('["set","a?b",1,0,"x"]');
    line[line.indexOf("?")] = 0xff;
    expect(keys.restore(line)).toBe(1);
    expect(everything(keys)).toEqual(["a\ufffdb"]);
    expect(keys.get(["a\ufffdb"])?.text).toBe('"x"');
  });
});
