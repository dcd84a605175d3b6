/**
 * What the view of the panel answers with, as plain JSON, however many clients
 * there are. Durations are milliseconds.
 */
export interface StateTold {
  /** Null in the plain backend, which has no rules. */
  readonly pressure: PressureTold | null;
  readonly backlog: BacklogTold;
  readonly most: MostTold;
}

/** A client and one of its numbers. */
export interface NumberedClient {
  readonly id: number;
  readonly address: string;
  readonly value: number;
}

export interface PressureTold {
  /** The other clients that a line goes to. */
  readonly fan_out: number;
  /** The rules, from the weakest. */
  readonly rules: readonly {
    readonly name: "throttle" | "flow_control" | "disconnect";
    readonly enabled: boolean;
    /** The fan-out from which it applies. */
    readonly from: number;
    /** Milliseconds between two lines of a sender; for the last rule those of the quarantine. */
    readonly ms: number;
    /** It is the strongest that applies. */
    readonly acts: boolean;
    /** Times that it was applied. */
    readonly times: number;
  }[];
  readonly held: number;
  /** Senders that are held between two lines, the longest first. */
  readonly clients: readonly {
    readonly id: number;
    readonly address: string;
    /** Since it is held after each line. */
    readonly since_ms: number;
    readonly lines_per_second: number;
  }[];
  readonly dropped_reports: number;
  readonly dropped_commands: number;
}

export interface BacklogTold {
  readonly waiting: { readonly bytes: number; readonly most: number };
  /** How long all senders have been paused; null while they are not. */
  readonly paused_ms: number | null;
  readonly pauses: number;
  /** Bytes that may wait for one client. */
  readonly most_for_one: number;
  /** Clients for which something waits. */
  readonly behind: number;
  /** Those for which the most waits. */
  readonly clients: readonly {
    readonly id: number;
    readonly address: string;
    readonly bytes: number;
    /** Since it has taken anything. */
    readonly since_ms: number;
  }[];
}

export interface MostTold {
  /** Lines a second of late. */
  readonly lines: readonly NumberedClient[];
  /** Bytes sent since the client is here. */
  readonly bytes: readonly NumberedClient[];
  /** Lines refused since the client is here. */
  readonly refused: readonly NumberedClient[];
}
