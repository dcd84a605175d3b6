import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Only processes in this set are ever signalled: those this run started. */
const children = new Set<Bun.Subprocess>();
const folders = new Set<string>();
let ending = false;

/** A new empty folder that goes away with this run. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-bench-"));
  folders.add(folder);
  return folder;
}

export interface Started {
  pid: number;
  /** The output of the process so far, both streams. */
  output(): string;
  exited(): boolean;
  stop(): Promise<void>;
}

/**
 * Starts a command whose output goes to a file in `folder`: a pipe would make
 * this process read it, and take CPU from the servers being measured.
 */
export function start(cmd: string[], folder: string, cwd?: string): Started {
  const file = join(folder, `output-${Bun.randomUUIDv7()}.txt`);
  const output = openSync(file, "a");
  const process = track(
    Bun.spawn({
      cmd,
      stdin: "ignore",
      stdout: output,
      stderr: output,
      ...(cwd === undefined ? {} : { cwd }),
    }),
  );
  closeSync(output);
  return {
    pid: process.pid,
    output: () => readFileSync(file, "utf8"),
    exited: () => process.exitCode !== null || process.signalCode !== null,
    stop: () => stop(process),
  };
}

/** Takes a process into the care of `stopEverything`. */
export function track<T extends Bun.Subprocess>(process: T): T {
  children.add(process);
  // A scenario that does not know yet that the run was interrupted may go on starting.
  if (ending) process.kill("SIGKILL");
  void process.exited.then(() => children.delete(process));
  return process;
}

/** Asks a process to end and, after three seconds, ends it. */
export async function stop(process: Bun.Subprocess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  process.kill("SIGTERM");
  const patience = setTimeout(() => process.kill("SIGKILL"), 3000);
  await process.exited;
  clearTimeout(patience);
}

/** Ends whatever this run still has going and removes its folders. */
export async function stopEverything(): Promise<void> {
  ending = true;
  await Promise.all([...children].map(stop));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

/** A port on loopback that nobody listens on right now. */
export function freePort(): number {
  const probe = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data() {} },
  });
  const { port } = probe;
  probe.stop(true);
  return port;
}

/** Polls until `found` answers something; a process that ends first is an error. */
export async function until<T>(
  process: Started,
  what: string,
  found: () => T | null | Promise<T | null>,
  seconds = 10,
): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await found();
    if (answer !== null) return answer;
    if (process.exited() || performance.now() > end) {
      const state = process.exited() ? "ended" : `gave no sign in ${seconds} s`;
      throw new Error(`${what} ${state}: ${process.output().trim().slice(-600)}`);
    }
    await Bun.sleep(10);
  }
}

/** True if a process accepts connections on this port of loopback, null if none does. */
export async function accepts(port: number): Promise<true | null> {
  try {
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: { data() {}, error() {} },
    });
    socket.terminate();
    return true;
  } catch {
    return null;
  }
}
