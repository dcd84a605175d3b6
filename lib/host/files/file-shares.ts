/** The limit assumed where the system does not tell: Windows has none. */
const UNTOLD = process.platform === "win32" ? 16_384 : 1024;
const UNLIMITED = 1_048_576;
/** Files that the program needs besides its connections, where there are enough of them. */
const RESERVED = 64;
/** With fewer files than this the program itself cannot work. */
const LEAST = 24;
/** Files for the main service for each one that another service gets. */
const MAIN_WEIGHT = 3;

let known = 0;

/** Files this process may have open at once; Bun has raised the limit as far as the system lets it. */
export function fileLimit(): number {
  known ||= readFileLimit();
  return known;
}

function readFileLimit(): number {
  const { userLimits } = process.report.getReport() as {
    userLimits?: { open_files?: { soft: number | "unlimited" } };
  };
  const soft = userLimits?.open_files?.soft ?? UNTOLD;
  return soft === "unlimited" ? UNLIMITED : soft;
}

/** A service whose connections take files. */
export interface Door {
  readonly name: string;
  /** The limit of clients in its settings; 0 when only the limit of files bounds them. */
  readonly maxClients: number;
  /** True for the main service, which gets more. */
  readonly isMain: boolean;
  /** Files that it keeps open besides those of its connections, if they are many. */
  readonly besides?: number;
}

/** The files that connections may take, shared out between the services, so that none can starve another. */
export class FileShares {
  readonly limit: number;
  /** Open connections of all services; those of HTTP are not counted. */
  connections = 0;
  #shares: ReadonlyMap<string, number> = new Map();

  constructor(doors: readonly Door[], limit = fileLimit()) {
    this.limit = limit;
    this.shareOut(doors);
  }

  /** Shares all files out again, as when a reload changes a service's limit of clients. */
  shareOut(doors: readonly Door[]): void {
    const besides = doors.reduce((sum, door) => sum + (door.besides ?? 0), 0);
    const reserved = Math.min(RESERVED + besides, this.limit >> 1);
    this.#shares = sharesOf(this.limit - reserved, doors);
  }

  /** Connections a service may have open, including closed clients that still get their last bytes. */
  share(name: string): number {
    return this.#shares.get(name) ?? 0;
  }

  /** A warning for the operator about the limit, or null; `fatal` when nothing can be served. */
  get trouble(): { readonly fatal: boolean; readonly message: string } | null {
    const { limit } = this;
    if (limit >= RESERVED) return null;
    const shares = [...this.#shares].map(([name, share]) => `${name} ${share}`).join(", ");
    const fatal = limit < LEAST;
    const message = fatal
      ? `at most ${limit} files may be open (ulimit -n), with which nothing can be served; raise it to ${RESERVED} or more`
      : `at most ${limit} files may be open (ulimit -n), which leaves few for connections: ${shares}; raise it`;
    return { fatal, message };
  }
}

/** Shares files out by weight; a service gets no more than it needs, and the rest goes to the others. */
function sharesOf(files: number, doors: readonly Door[]): Map<string, number> {
  const shares = new Map<string, number>();
  let left = files;
  let open = [...doors];
  while (open.length > 0) {
    const weights = open.reduce((sum, door) => sum + weightOf(door), 0);
    const fair = (door: Door) => Math.floor((left * weightOf(door)) / weights);
    const modest = open.filter((door) => neededBy(door) <= fair(door));
    const settled = modest.length > 0 ? modest : open;
    const given = settled.map((door) => [door.name, Math.min(neededBy(door), fair(door))] as const);
    for (const [name, share] of given) {
      shares.set(name, Math.max(2, share));
      left -= share;
    }
    open = open.filter((door) => !settled.includes(door));
  }
  return shares;
}

function weightOf({ isMain }: Door): number {
  return isMain ? MAIN_WEIGHT : 1;
}

/** Files for all its clients, and for closed ones that linger: one for every seven clients, and 16 more. */
function neededBy({ maxClients }: Door): number {
  return maxClients === 0 ? Infinity : Math.ceil((maxClients * 8) / 7) + 16;
}
