/** The Worker of an `IsolatedTicker`: loads the user's module and ticks it. */
import { systemClock } from "../../../host/clock.ts";
import { messageOf } from "../../../host/errors.ts";
import { stackOf } from "../../../host/system/workers.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { RemoteShared } from "./shared.ts";
import { type Logger, STAGES, Ticker, type Ticks, ticksProblem } from "./ticker.ts";

declare const self: Worker;

/** Least milliseconds between two reports after ticks. The main thread asks for another each second. */
const REPORT_MS = 100;

// The user's module may post messages too; the wrapping tells these apart.
const tell = (ofTicker: FromWorker): void => self.postMessage({ ofTicker });
const shared = new RemoteShared(tell);
let ticker: Ticker | null = null;
let stopping = false;
let reported = 0;

const log: Logger = {
  info: (message) => tell({ kind: "log", level: "info", message }),
  warning: (message) => tell({ kind: "log", level: "warning", message }),
  error: (message) => tell({ kind: "log", level: "error", message }),
  bug: (error, context) => {
    // An error in the start hook ends this Worker; after any other the ticker goes on.
    if (ticker?.status().state === "dead") fail(`${STAGES.start} failed`, error);
    else tell({ kind: "bug", context, stack: stackOf(error) });
  },
};

self.addEventListener("message", ({ data }) => {
  const message = data as ToWorker;
  switch (message.kind) {
    case "run":
      void run(message.href, message.name);
      break;
    case "ping":
      report();
      break;
    case "stop":
      stopping = true;
      void stop();
      break;
    case "answer":
      shared.take(message);
      break;
  }
});

async function run(href: string, name: string): Promise<void> {
  report();
  const ticks = await load(href, name);
  if (ticks === null || stopping) return;
  ticker = new Ticker(ticks, {
    clock: systemClock,
    log,
    afterTick: () => {
      if (systemClock.now() - reported >= REPORT_MS) report();
    },
  });
  const started = ticker.start(shared);
  report();
  await started;
  report();
}

/** The ticker that the module exports; null when there is none, which is reported. */
async function load(href: string, name: string): Promise<Ticks | null> {
  let exported: unknown;
  try {
    exported = ((await import(href)) as { default?: unknown }).default;
  } catch (error) {
    fail(`cannot load ${name}`, error);
    return null;
  }
  if (typeof exported === "function") {
    try {
      exported = new (exported as new () => unknown)();
    } catch (error) {
      fail(`cannot make a ticker of ${name}`, error);
      return null;
    }
  }
  const problem = exported === undefined ? "there is no default export" : ticksProblem(exported);
  if (problem === null) return exported as Ticks;
  tell({ kind: "unfit", reason: `${name} is not a ticker: ${problem}` });
  return null;
}

async function stop(): Promise<void> {
  await ticker?.stop();
  report();
  tell({ kind: "stopped" });
}

function report(): void {
  reported = systemClock.now();
  tell({
    kind: "report",
    stage: ticker === null ? "load" : ticker.stage,
    ticker: ticker && { status: ticker.status(), deadlineMs: ticker.deadlineMs },
  });
}

/** Reports an error on which the main thread ends this Worker. */
function fail(what: string, error: unknown): void {
  const [message, stack] = wordsOf(error);
  tell({ kind: "failed", reason: `${what}: ${message}`, stack });
}

/** An error in one line, and its stack; null for code that never ran, whose stack would hold only our own frames. */
function wordsOf(error: unknown): [message: string, stack: string | null] {
  if (error instanceof ResolveMessage) {
    return [error.message.replace(` imported from ${import.meta.path}`, ""), null];
  }
  if (error instanceof BuildMessage) {
    const { message, position } = error;
    return [
      position ? `${message} at ${position.file}:${position.line}:${position.column}` : message,
      null,
    ];
  }
  return [messageOf(error), stackOf(error)];
}
