/** A setting that cannot be used on this machine. */
export interface Fault {
  /** Its full key. */
  readonly key: string;
  readonly message: string;
  /** The place of the trouble, when it is in a file that the setting names. */
  readonly where?: string;
  /** Other settings that the fault depends on. */
  readonly others?: readonly string[];
}

/** The program cannot start. The message has one line for each reason; exit code 1. */
export class StartError extends Error {
  /** The faults of settings; empty when the reason is another. */
  readonly faults: readonly Fault[];

  constructor(why: string | readonly Fault[]) {
    super(typeof why === "string" ? why : why.map(faultText).join("\n"));
    this.faults = typeof why === "string" ? [] : why;
  }
}

/** Something that was accepted could not be kept. It is in the log already; exit code 1. */
export class LossError extends Error {}

/** A fault as one line, with its place or the key of its setting. */
export function faultText({ key, message, where }: Fault): string {
  return where === undefined ? `${key}: ${message}` : `${where}: ${message}`;
}

/** The faults of the StartError that an attempt throws; none when it succeeds. @throws every other error */
export function faultsIn(attempt: () => unknown): readonly Fault[] {
  try {
    attempt();
    return [];
  } catch (error) {
    if (error instanceof StartError && error.faults.length > 0) return error.faults;
    throw error;
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
