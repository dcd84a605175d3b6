import { afterAll } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../lib/config/table.ts";
import { HandClock } from "../lib/host/clock.ts";
import { logFileName } from "../lib/host/log/file.ts";
import { Log } from "../lib/host/log.ts";

/** A folder that is gone after the tests of a file. */
export const folder = fs.mkdtempSync(join(tmpdir(), "log-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
let made = 0;

/** A path of its own, where nothing is yet. */
export const fresh = (): string => join(folder, String(made++));

export const read = (path: string): string => fs.readFileSync(path, "utf8");

const NOW = new Date(2026, 0, 2, 3, 4, 5, 678).getTime();
/** The time of every log in seconds, of which some milliseconds have gone by. */
export const SECOND = Math.floor(NOW / 1000);

/** A log of its own, with what it printed and a way to its file. */
export function open(settings: Partial<Config["logger"]> = {}, name = "summoner:server") {
  const clock = new HandClock(NOW);
  const printed: string[] = [];
  const full: Config["logger"] = {
    log_level: "INFO",
    enable_console_log: true,
    console_log_format: "%(levelname)s %(message)s",
    enable_file_log: false,
    enable_json_log: false,
    log_file_path: fresh(),
    log_format: "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    max_file_size: 1_000_000,
    backup_count: 3,
    date_format: "%Y-%m-%d %H:%M:%S.%3f",
    log_keys: null,
    ...settings,
  };
  const log = new Log(name, full, clock, (text) => printed.push(text));
  const path = join(full.log_file_path, logFileName(name));
  return { log, clock, printed, path, settings: full };
}
