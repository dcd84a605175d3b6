import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Linux reports process times in hundredths of a second, with any kernel tick. */
const TICKS_PER_SECOND = 100;

/**
 * CPU seconds (user and system, all threads) that a process has used so far, in
 * steps of 0.01; null where there is no /proc or the process is gone.
 */
export function cpuSeconds(pid: number): number | null {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return null;
  const stat = readFileSync(path, "utf8");
  // The second field is the program's name in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The same to the nanosecond, of the threads that run now; for stretches in which little is done. */
export function exactCpuSeconds(pid: number): number | null {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const each = threads.map((id) => readFileSync(`/proc/${pid}/task/${id}/schedstat`, "utf8"));
    return each.reduce((sum, one) => sum + Number(one.split(" ")[0]) / 1e9, 0);
  } catch {
    // Not on every system.
    return cpuSeconds(pid);
  }
}

function statusBytes(pid: number, field: "VmRSS" | "VmHWM"): number | null {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return null;
  const found = new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(readFileSync(path, "utf8"));
  return found ? Number(found[1]) * 1024 : null;
}

/** Resident bytes of a process now; null where /proc is missing. */
export const residentBytes = (pid: number): number | null => statusBytes(pid, "VmRSS");

/** The most bytes that were ever resident; null where /proc is missing. */
export const peakBytes = (pid: number): number | null => statusBytes(pid, "VmHWM");

/**
 * Resident bytes once they hold still within one percent for half a second, or
 * after `limitMs`; null where /proc is missing.
 */
export async function settledBytes(pid: number, limitMs: number): Promise<number | null> {
  const end = performance.now() + limitMs;
  let before = residentBytes(pid);
  while (before !== null && performance.now() < end) {
    await Bun.sleep(Math.min(500, limitMs));
    const now = residentBytes(pid);
    if (now === null || Math.abs(now - before) < before / 100) return now;
    before = now;
  }
  return before;
}

/** The middle value; NaN for none. */
export const median = (values: number[]): number => percentile(values, 0.5);

/** The value below which the share `at` (0 to 1) of all values lies; NaN for none. */
export function percentile(values: number[], at: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? NaN;
}
