import type { ActionOutcome } from "../protocol.ts";
import type { ContextEntry } from "../context.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { Force, ForceState } from "./force.ts";
import type { Pending, PendingEnd } from "./pending.ts";

/** What happens in a session, for whoever watches it. */
export type SessionEvent =
  | { readonly kind: "startup" }
  | { readonly kind: "registered" | "unregistered"; readonly names: readonly string[] }
  | { readonly kind: "context"; readonly entry: ContextEntry }
  /** A force has come to another state. */
  | { readonly kind: "force"; readonly force: Force; readonly state: ForceState }
  | { readonly kind: "action"; readonly action: Pending }
  /** An action is pending no more. */
  | {
      readonly kind: "result";
      readonly action: Pending;
      readonly how: PendingEnd;
      readonly outcome: ActionOutcome;
    }
  | { readonly kind: "said"; readonly text: string }
  | { readonly kind: "shutdown ready" }
  | { readonly kind: "other"; readonly name: string; readonly data: unknown }
  | { readonly kind: "diagnostic"; readonly diagnostic: Diagnostic };
