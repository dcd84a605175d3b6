/** An answer that bare servers give as well: the same fields, and the JSON made anew for each request. */
export interface BareRoute {
  readonly headers: Readonly<Record<string, string>>;
  readonly value: unknown;
  /** True if a newline follows the JSON. */
  readonly newline: boolean;
}

export type BareRoutes = Readonly<Record<string, BareRoute>>;
