import { describe, expect, test } from "bun:test";
import type { Config } from "../lib/config/table.ts";
import { prune, Traffic } from "../lib/services/relay/traffic.ts";
import { open, read } from "./log-suite.ts";

type Keys = Config["logger"]["log_keys"];

/** A log of its own, and the traffic that goes to it. */
function traffics(keys: Keys, settings: Partial<Config["logger"]>) {
  const opened = open(settings);
  return { ...opened, traffic: new Traffic(opened.log, keys) };
}

/** The text that one relayed line leaves in a JSON file. */
async function trafficLine(content: string, keys: Keys = null): Promise<string> {
  const settings = { enable_file_log: true, enable_json_log: true };
  const { log, traffic, path } = traffics(keys, settings);
  traffic.add("10.0.0.1:5000", content);
  await log.close();
  const text = read(path);
  expect(text.split("\n")).toHaveLength(2);
  expect(JSON.parse(text)).toBeObject();
  return (
    /"message":\{"remote_addr":"10\.0\.0\.1:5000"(?:,"content":(.*))?\}\}\n$/s.exec(text)![1] ??
    "absent"
  );
}

test("a client's text can neither drive the terminal nor forge a line", async () => {
  const nasty =
    "\x1b[2J\x9b31m\x07\r\n2026 ERROR forged\t\x7f\0é \u202e\u2066\u2028\u2029\u200f\u061c";
  const safe =
    "\\x1b[2J\\x9b31m\\x07\\x0d\\n2026 ERROR forged\t\\x7f\\x00é \\u202e\\u2066\\u2028\\u2029\\u200f\\u061c";
  const text = traffics(null, { enable_file_log: true, log_format: "%(message)s" });
  text.traffic.add("a", nasty);
  await text.log.close();
  expect(text.printed).toEqual([`INFO a ${safe}\n`]);
  expect(read(text.path)).toBe(`a ${safe}\n`);

  const json = traffics(null, { enable_file_log: true, enable_json_log: true });
  json.traffic.add("a", nasty);
  json.traffic.add("a", '{"a":\r\n"\x9b\x7f\u2028\u202e"}');
  await json.log.close();
  // oxlint-disable-next-line no-control-regex
  expect(read(json.path)).not.toMatch(/[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200f\u2028-\u202e\u2066]/);
  const messages = read(json.path)
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).message);
  expect(messages).toEqual([
    { remote_addr: "a", content: nasty },
    { remote_addr: "a", content: { a: "\x9b\x7f\u2028\u202e" } },
  ]);
});

test("the beginning of a long line is logged, in JSON as text", async () => {
  const most = JSON.stringify({ a: "x".repeat(4088) });
  expect(await trafficLine(most)).toBe(most);
  const long = JSON.stringify({ a: "x".repeat(60_000) });
  const cut = `${long.slice(0, 4096)} ... and ${long.length - 4096} more characters`;
  expect(await trafficLine(long)).toBe(JSON.stringify(cut));
  expect(await trafficLine("x".repeat(4097))).toBe(
    `"${"x".repeat(4096)} ... and 1 more characters"`,
  );
});

test("new keys hold from the next line on", async () => {
  const { log, traffic, path } = traffics(null, {
    enable_file_log: true,
    log_format: "%(message)s",
  });
  traffic.add("a", "told");
  traffic.configure([]);
  traffic.add("a", "secret");
  await log.close();
  expect(read(path)).toBe("a told\na\n");
});

test("a long line of quotes that never close is pruned in no time", () => {
  const torn = `{"a":NaN,"b":"${'\\"'.repeat(200_000)}`;
  expect(prune(torn, ["a"])).toBeUndefined();
  // By the square of the length it would take minutes.
});

describe("content", () => {
  const big = "1606938044258990275541962092341162602522202993782792835301375";
  const typed = `{"_version":"1","_payload":{"a":${big},"b":{"a":1.50},"c":2},"_type":{"a":"int","b":"dict","c":"int"}}`;

  test.each([
    ["hello", '"hello"'],
    ["", '""'],
    ['"text"', '"text"'],
    ["[1, 2]", "[1, 2]"],
    ["1.50", "1.50"],
    ["null", "null"],
    [typed, typed],
    ['{"a":NaN}', '"{\\"a\\":NaN}"'],
    ['{"a":1', '"{\\"a\\":1"'],
    ["[".repeat(4096), JSON.stringify("[".repeat(4096))],
  ])("%.30s is logged whole", async (content, expected) => {
    expect(await trafficLine(content)).toBe(expected);
  });

  test.each([
    ["typed", typed, ["a"], `{"_payload":{"a":${big}},"_type":{"a":"int"}}`],
    ["typed, nested", typed, ["b", "nope"], '{"_payload":{"b":{"a":1.50}},"_type":{"b":"dict"}}'],
    [
      "the envelope's own keys do not count",
      typed,
      ["_version", "_payload"],
      '{"_payload":{},"_type":{}}',
    ],
    ["typed with a text", '{"_payload":"secret","_type":"str"}', ["a"], "{}"],
    ["typed with an array", '{"_payload":[1],"a":2}', ["a"], "{}"],
    ["type alone", '{"_type":{"a":"int"},"a":1}', ["a"], '{"_type":{"a":"int"}}'],
    ["flat", `{"a":${big},"b":2}`, ["a"], `{"a":${big}}`],
    ["flat, nothing to keep", '{"b":2}', ["a"], "{}"],
    ["flat, nested is not searched", '{"b":{"a":1}}', ["a"], "{}"],
    ["flat, spelled with escapes", '{"\\u0061":1}', ["a"], '{"a":1}'],
    [
      "bare NaN",
      '{"_payload":{"a":NaN,"b":1},"_type":{}}',
      ["b"],
      '{"_payload":{"b":1},"_type":{}}',
    ],
    [
      "bare infinities",
      '{"a":[Infinity,-Infinity,"NaN \\" NaN"],"b":1}',
      ["a"],
      '{"a":["Infinity","-Infinity","NaN \\" NaN"]}',
    ],
    [
      "bare NaN beside a text of 3 MB",
      `{"b":"${'\\"NaN'.repeat(500_000)}","a":NaN}`,
      ["a"],
      '{"a":"NaN"}',
    ],
    ["__proto__", '{"__proto__":{"a":1},"b":2}', ["a", "__proto__"], '{"__proto__":{"a":1}}'],
    ["array", '[{"a":1}]', ["a"], "absent"],
    ["text", "a secret", ["a"], "absent"],
    ["JSON text", '"a"', ["a"], "absent"],
    ["number", big, ["a"], "absent"],
    ["null", "null", ["a"], "absent"],
    ["torn", '{"a":1', ["a"], "absent"],
    ["empty", "", ["a"], "absent"],
    ["deep", '{"a":'.repeat(100_000), ["a"], "absent"],
    ["deep and whole", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, ["b"], "absent"],
  ])("pruned, %s", async (_shape, content, keys, expected) => {
    expect(await trafficLine(content, keys)).toBe(expected);
  });

  test.each([typed, '{"a":1}', '["a"]', "a", "1", "null", "", '{"a":NaN}', '{"a":'])(
    "no keys, no content: %.30s",
    async (content) => {
      expect(await trafficLine(content, [])).toBe("absent");
      expect(prune(content, [])).toBeUndefined();
    },
  );

  test.each([
    [["a"], 'x {"a":1}'],
    [[], "x"],
  ])("keys %j hold for the console and the text file too", async (log_keys, expected) => {
    const { log, traffic, printed, path } = traffics(log_keys, {
      enable_file_log: true,
      log_format: "%(message)s",
    });
    traffic.add("x", '{"a":1,"b":"secret"}');
    await log.close();
    expect(printed).toEqual([`INFO ${expected}\n`]);
    expect(read(path)).toBe(`${expected}\n`);
  });
});
