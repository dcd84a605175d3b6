/** A setting that will not do on this machine. */
export interface Fault {
  /** Its full key. */
  readonly key: string;
  readonly message: string;
  /** Where the trouble stands, when that is in a file which the setting names. */
  readonly where?: string;
  /** The other settings that the fault rests on. */
  readonly others?: readonly string[];
}

/** Why the program cannot start, a line for the operator each; exit code 1. */
export class StartError extends Error {
  /** The settings that it lies at, where it lies at any. */
  readonly faults: readonly Fault[];

  constructor(why: string | readonly Fault[]) {
    super(typeof why === "string" ? why : why.map(faultText).join("\n"));
    this.faults = typeof why === "string" ? [] : why;
  }
}

/** A fault as a line, for whoever does not know where its setting stands. */
export function faultText({ key, message, where }: Fault): string {
  return where === undefined ? `${key}: ${message}` : `${where}: ${message}`;
}

/** The faults that an attempt brings to light; none when it goes well. */
export function faultsIn(attempt: () => unknown): readonly Fault[] {
  try {
    attempt();
    return [];
  } catch (error) {
    if (error instanceof StartError && error.faults.length > 0) return error.faults;
    throw error;
  }
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
