/** How one number of `stats()` is to be read. */
export interface StatDeclaration {
  /** A counter only grows; a gauge goes up and down. */
  readonly kind: "counter" | "gauge";
  /** `bytes`, `clients`, `lines`, `seconds`, ... */
  readonly unit: string;
  /** One sentence for the operator. */
  readonly about: string;
  /** One of the few numbers that tell how the service fares; a dashboard shows these first. */
  readonly headline?: boolean;
  /** Numbers that are one series told apart by a label: `closed_eof` is `closed` by the reason `eof`. */
  readonly series?: { readonly name: string; readonly label: string; readonly value: string };
  /** Title of the table that a dashboard shows it in, together with others of this title. */
  readonly group?: string;
}

/** Numbers by name, each with its declaration. */
export type Declared = Readonly<Record<string, StatDeclaration>>;

export function counter(unit: string, about: string): StatDeclaration {
  return { kind: "counter", unit, about };
}

export function gauge(unit: string, about: string): StatDeclaration {
  return { kind: "gauge", unit, about };
}

export function headline(declared: StatDeclaration): StatDeclaration {
  return { ...declared, headline: true };
}

/** The same numbers in a table of this title. */
export function grouped(title: string, declared: Declared): Declared {
  return Object.fromEntries(
    Object.entries(declared).map(([name, one]) => [name, { ...one, group: title }]),
  );
}

/** The same number as one of a series: `name` by `label`. */
export function labelled(
  declared: StatDeclaration,
  name: string,
  label: string,
  value: string,
): StatDeclaration {
  return { ...declared, series: { name, label, value } };
}

/** Declares what `Closes` counts. `reasons` says of each reason why the client was closed: "Clients closed because ...". */
export function closes(reasons: Readonly<Record<string, string>>): Declared {
  return Object.fromEntries(
    Object.entries(reasons).map(([reason, why]) => [
      `closed_${reason}`,
      labelled(counter("clients", `Clients closed because ${why}.`), "closed", "reason", reason),
    ]),
  );
}

/** Counts the clients that were closed, by reason. */
export class Closes<Reason extends string> {
  readonly #counts: Record<string, number>;

  constructor(reasons: Readonly<Record<Reason, string>>) {
    this.#counts = Object.fromEntries(Object.keys(closes(reasons)).map((name) => [name, 0]));
  }

  count(reason: Reason): void {
    const name = `closed_${reason}`;
    this.#counts[name] = (this.#counts[name] ?? 0) + 1;
  }

  stats(): Readonly<Record<string, number>> {
    return this.#counts;
  }
}
