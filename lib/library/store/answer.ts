/** An event or an answer of the store. */
export type Holds = Readonly<Record<string, any>>;

/** The event or the answer that a line holds; null for what is neither. */
export function toldBy(line: string): Holds | null {
  let holds: Holds;
  try {
    holds = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof holds !== "object" || holds === null || Array.isArray(holds)) return null;
  const { event, error } = holds;
  if (event !== undefined) return typeof event === "string" ? holds : null;
  if (error === undefined) return "result" in holds ? holds : null;
  const isRefusal = typeof error?.code === "string" && typeof error.message === "string";
  return isRefusal ? holds : null;
}
