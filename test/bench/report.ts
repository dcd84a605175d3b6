/** A figure that rounds measure: how it is headed and shown. */
interface Figure {
  head: string;
  show(value: number): string;
}

const ms = (micros: number): string => `${(micros / 1000).toFixed(2)} ms`;
const percent = (share: number): string => `${(share * 100).toFixed(0)}%`;
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export const figures = {
  rate: {
    head: "deliveries/s",
    show: (n: number) => `${(n / 1e6).toFixed(3)} M`,
  },
  cpuPerMillion: { head: "CPU s/M", show: (n: number) => n.toFixed(3) },
  orderCpu: { head: "order's CPU s/M", show: (n: number) => n.toFixed(3) },
  cpuPerGb: { head: "CPU s/GB", show: (n: number) => n.toFixed(3) },
  p50: { head: "p50", show: ms },
  p99: { head: "p99", show: ms },
  peak: { head: "peak memory", show: mb },
  before: { head: "memory before", show: mb },
  after: { head: "memory after", show: mb },
  connects: { head: "connects/s", show: (n: number) => n.toFixed(0) },
  cpuPerConnect: {
    head: "CPU per connect",
    show: (n: number) => `${(n * 1e6).toFixed(0)} us`,
  },
  requests: { head: "requests/s", show: (n: number) => n.toFixed(0) },
  records: { head: "records/s", show: (n: number) => n.toFixed(0) },
  cpuPerRequest: {
    head: "CPU per request",
    show: (n: number) => `${(n * 1e6).toFixed(2)} us`,
  },
  serverShare: { head: "server CPU", show: percent },
  generatorShare: { head: "generator CPU", show: percent },
  perClient: { head: "bytes per client", show: (n: number) => n.toFixed(0) },
  perKey: { head: "bytes per key", show: (n: number) => n.toFixed(0) },
  start: { head: "start", show: (n: number) => `${n.toFixed(2)} s` },
  startCpu: { head: "CPU of the start", show: (n: number) => `${n.toFixed(2)} s` },
} satisfies Record<string, Figure>;

export type FigureName = keyof typeof figures;

/** The measured figures of one server; null where the system does not tell. */
export type Measured = Partial<Record<FigureName, number | null>>;

/** A ratio that the project holds itself to. */
export interface Target {
  against: string;
  figure: FigureName;
  sense: "at least" | "at most";
  limit: number;
}

interface Entry {
  scenario: string;
  servers: Record<string, Measured>;
  ratios: {
    figure: FigureName;
    against: string;
    ratio: number;
    lowest: number;
    highest: number;
    target: string | null;
    met: boolean | null;
  }[];
}

/** Prints as it goes, and keeps everything for `--json`. */
export class Report {
  readonly entries: Entry[] = [];
  readonly notes: string[] = [];
  /** Faults of the server under test; any of them fails the run. */
  readonly errors: string[] = [];

  private print: (line: string) => void;

  constructor(print: (line: string) => void) {
    this.print = print;
  }

  /** Prints why no more is to come, and then nothing: what fails from now on fails for this reason. */
  cut(reason: string): void {
    this.print(`\n${reason}`);
    this.print = () => {};
  }

  scenario(title: string): void {
    this.entries.push({ scenario: title, servers: {}, ratios: [] });
    this.print(`\n${title}`);
  }

  /** Something the reader must know to judge the numbers. */
  note(text: string): void {
    this.notes.push(text);
    this.print(`  ${text}`);
  }

  error(text: string): void {
    this.errors.push(text);
    this.print(`  ERROR: ${text}`);
  }

  /** One line per server. */
  table(columns: FigureName[], rows: Map<string, Measured>): void {
    const lines = [["", ...columns.map((column) => figures[column].head)]];
    for (const [name, row] of rows) {
      const cells = columns.map((column) => {
        const value = row[column];
        return value === null || value === undefined ? "-" : figures[column].show(value);
      });
      lines.push([name, ...cells]);
      const entry = this.entries.at(-1);
      if (entry) entry.servers[name] = row;
    }
    for (const line of lines) {
      const [name = "", ...cells] = line;
      this.print(`  ${name.padEnd(14)}${cells.map((c) => c.padStart(18)).join("")}`);
    }
  }

  /** One ratio with its extremes over the rounds, and whether it meets its target. */
  ratio(
    subject: string,
    against: string,
    figure: FigureName,
    [ratio, lowest, highest]: [median: number, lowest: number, highest: number],
    target: Target | null,
  ): void {
    const wanted = target ? `${target.sense} ${target.limit.toFixed(2)}` : null;
    const met =
      target === null
        ? null
        : target.sense === "at least"
          ? ratio >= target.limit
          : ratio <= target.limit;
    const kept = {
      figure,
      against,
      ratio,
      lowest,
      highest,
      target: wanted,
      met,
    };
    this.entries.at(-1)?.ratios.push(kept);
    const what = `${subject} / ${against}, ${figures[figure].head}`;
    const span = `${ratio.toFixed(3)}  (${lowest.toFixed(2)} to ${highest.toFixed(2)})`;
    const verdict = wanted === null ? "" : `  ${wanted}: ${met ? "ok" : "missed"}`;
    this.print(`  ${what.padEnd(44)}${span.padEnd(24)}${verdict}`);
  }
}
