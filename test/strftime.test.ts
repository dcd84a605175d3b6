import { afterAll, beforeAll, expect, test } from "bun:test";
import { checkDateFormat, compileDateFormat } from "../lib/config/formats/strftime.ts";

const zone = process.env["TZ"];
beforeAll(() => {
  process.env["TZ"] = "America/New_York";
});
afterAll(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
});

const write = (format: string, time: string): string => compileDateFormat(format)(Date.parse(time));

test.each([
  ["%Y-%m-%d %H:%M:%S.%3f", "2026-01-02T08:04:05.007Z", "2026-01-02 03:04:05.007"],
  ["%f %6f %3f", "2026-01-02T08:04:05.078Z", "078000 078000 078"],
  ["%3f", "2026-01-02T08:04:05.000Z", "000"],
  ["%y|%j", "2026-12-31T12:00:00Z", "26|365"],
  ["%j", "2024-12-31T12:00:00Z", "366"],
  ["%j", "2026-01-01T12:00:00Z", "001"],
  // A day after the clocks went forward is still a whole day.
  ["%j", "2026-03-09T04:30:00Z", "068"],
  ["%a %A %b %B", "2026-09-02T12:00:00Z", "Wed Wednesday Sep September"],
  ["%I %p", "2026-01-02T05:00:00Z", "12 AM"],
  ["%I %p", "2026-01-02T17:00:00Z", "12 PM"],
  ["%I %p", "2026-01-02T18:00:00Z", "01 PM"],
  ["%z %Z", "2026-01-02T08:00:00Z", "-0500 EST"],
  ["%z %Z", "2026-07-02T08:00:00Z", "-0400 EDT"],
  ["%s %e %F %T", "2026-01-02T08:04:05Z", "1767341045  2 2026-01-02 03:04:05"],
  [
    "%c|%x|%X|%D|%R|%r",
    "2026-01-02T08:04:05Z",
    "Fri Jan  2 03:04:05 2026|01/02/26|03:04:05|01/02/26|03:04|03:04:05 AM",
  ],
  ["%h %C %k %l %P", "2026-01-02T18:04:05Z", "Jan 20 13  1 pm"],
  ["%u %w %U %W %V %G %g", "2026-01-04T12:00:00Z", "7 0 01 00 01 2026 26"],
  ["%u %w %U %W %V %G %g", "2027-01-01T12:00:00Z", "5 5 00 00 53 2026 26"],
  ["100%% %%Y %%3f", "2026-01-02T08:04:05Z", "100% %Y %3f"],
  ["at %H o'clock\n", "2026-01-02T08:04:05Z", "at 03 o'clock\n"],
  ["", "2026-01-02T08:04:05Z", ""],
  ["%Q %", "2026-01-02T08:04:05Z", "%Q %"],
])("%j at %s is %j", (format, time, expected) => {
  expect(write(format, time)).toBe(expected);
});

test("east of Greenwich, with half an hour", () => {
  process.env["TZ"] = "Asia/Kolkata";
  expect(write("%H:%M %z", "2026-01-02T00:00:00Z")).toBe("05:30 +0530");
  process.env["TZ"] = "America/New_York";
});

test("the part that changes each second and the one that changes each millisecond", () => {
  const stamp = compileDateFormat("%S.%3f");
  const start = Date.parse("2026-01-02T08:04:05.998Z");
  const stamps = [0, 0, 1, 2, 3, 1002, 1].map((ms) => stamp(start + ms));
  expect(stamps).toEqual(["05.998", "05.998", "05.999", "06.000", "06.001", "07.000", "05.999"]);
});

test.each([
  ["%Y-%m-%d %H:%M:%S.%3f %f %6f %j %y %b %B %a %A %p %I %Z %z %s %e %F %T %%", null],
  ["", null],
  ["%H:%Q", "unknown directive %Q"],
  ["%2f", "unknown directive %2"],
  ["%", "unknown directive %"],
  ["%%%", "unknown directive %"],
  ["%toString", "unknown directive %t"],
])("check of %j: %j", (format, complaint) => {
  expect(checkDateFormat(format)).toBe(complaint);
});
