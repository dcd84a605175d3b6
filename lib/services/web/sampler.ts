import { monitorEventLoopDelay } from "node:perf_hooks";
import { openFiles } from "../../host/files/open-files.ts";
import type { Host } from "../../host/service.ts";
import {
  counter,
  type Declared,
  type Distribution,
  gauge,
  headline,
  Histogram,
} from "../../host/stats.ts";
import { Hour } from "./hour.ts";

/** The numbers of one part of the program, with their declarations. */
export interface Numbers {
  readonly declared: Declared;
  readonly stats: Readonly<Record<string, number>>;
  readonly distributions?: readonly Distribution[] | undefined;
}

const PROCESS: Declared = {
  uptime_seconds: gauge("seconds", "Time since the start."),
  cpu_seconds: headline(counter("seconds", "Processor time used.")),
  memory_bytes: headline(gauge("bytes", "Resident memory.")),
  event_loop_delay_seconds: headline(
    gauge("seconds", "Longest delay of the event loop in the last second."),
  ),
  open_files: gauge("files", "Files that are open, connections included."),
  max_files: gauge("files", "Files that may be open."),
};

const LOG: Declared = {
  written_bytes: counter("bytes", "Bytes written to log files."),
  lost_lines: counter("lines", "Lines that never reached the log file."),
  rotations: counter("rotations", "Log files rotated."),
  failing: gauge("files", "Whether the log file cannot be written at present: 1 or 0."),
};

/** Upper bounds of the histogram's buckets, in seconds. */
const STALL_BOUNDS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Seconds of history that are kept, for dashboards that are opened later. */
const HISTORY_SECONDS = 300;

/** The headline numbers at one second, by `service.stat`. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly values: Readonly<Record<string, number>>;
}

/** The numbers of every part, and when they were taken. */
export interface Taken {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly numbers: ReadonlyMap<string, Numbers>;
}

type SampledHost = Pick<Host<never>, "clock" | "files" | "log" | "services">;

/** Collects the numbers of the whole program: its process, its log and every service. */
export class Sampler {
  readonly history: Sample[] = [];
  readonly hour = new Hour();
  readonly #host: SampledHost;
  readonly #startedAt: number;
  readonly #startedWall: number;
  readonly #delays = monitorEventLoopDelay({ resolution: 20 });
  readonly #stalls = new Histogram(STALL_BOUNDS);
  readonly #distributions: readonly Distribution[] = [
    {
      name: "event_loop_stall",
      unit: "seconds",
      about: "Longest delay of the event loop in each second.",
      label: null,
      histograms: new Map([["", this.#stalls]]),
    },
  ];
  #delaySeconds = 0;
  #memoryBytes = 0;

  constructor(host: SampledHost) {
    this.#host = host;
    this.#startedAt = host.clock.now();
    this.#startedWall = host.clock.wall();
    this.#delays.enable();
  }

  /** The time of the program's start, in milliseconds since 1970. */
  get startedAt(): number {
    return this.#startedWall;
  }

  stop(): void {
    this.#delays.disable();
  }

  /** The numbers of every part, by its name: `process`, `log` and the services. */
  numbers(): Map<string, Numbers> {
    const { services } = this.#host;
    return new Map<string, Numbers>([
      [
        "process",
        { declared: PROCESS, stats: this.#process(), distributions: this.#distributions },
      ],
      ["log", { declared: LOG, stats: this.#log() }],
      ...[...services].map(([name, service]) => {
        const { declared, distributions } = service;
        return [name, { declared, stats: service.stats(), distributions }] as const;
      }),
    ]);
  }

  /** Adds a sample to the history; called once a second. @returns what it was made of */
  sample(): Taken {
    this.#delaySeconds = this.#delays.max / 1e9;
    this.#delays.reset();
    this.#stalls.add(this.#delaySeconds);
    const numbers = this.numbers();
    const values: Record<string, number> = {};
    for (const [part, { declared, stats }] of numbers) {
      if (this.history.length === 0) this.hour.declare(part, declared);
      for (const [name, { headline }] of Object.entries(declared)) {
        if (headline) values[`${part}.${name}`] = stats[name] as number;
      }
    }
    const at = this.#host.clock.wall();
    this.history.push({ at, values });
    if (this.history.length > HISTORY_SECONDS) this.history.shift();
    this.hour.add(at, values);
    return { at, numbers };
  }

  #process(): Record<string, number> {
    const { user, system } = process.cpuUsage();
    return {
      uptime_seconds: (this.#host.clock.now() - this.#startedAt) / 1000,
      cpu_seconds: (user + system) / 1e6,
      memory_bytes: this.#memory(),
      event_loop_delay_seconds: this.#delaySeconds,
      open_files: openFiles(),
      max_files: this.#host.files.limit,
    };
  }

  #memory(): number {
    try {
      this.#memoryBytes = process.memoryUsage.rss();
    } catch {
      // It is read from a file: when no more may be opened, the last number stands.
    }
    return this.#memoryBytes;
  }

  #log(): Record<string, number> {
    const { bytes_written, lines_lost, rotations, failing } = this.#host.log.stats();
    return {
      written_bytes: bytes_written,
      lost_lines: lines_lost,
      rotations,
      failing: failing === null ? 0 : 1,
    };
  }
}
