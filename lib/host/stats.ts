/** A label of a number, which tells it apart from others of its name. */
export interface Label {
  readonly label: string;
  readonly value: string;
}

/** The meaning of one number of `stats()`. */
export interface StatDeclaration {
  /** A counter only grows; a gauge goes up and down. */
  readonly kind: "counter" | "gauge";
  /** `bytes`, `clients`, `lines`, `seconds`, ... */
  readonly unit: string;
  /** One sentence for the operator. */
  readonly about: string;
  /** One of the few numbers that tell how the service fares; a dashboard shows these first. */
  readonly headline?: boolean;
  /** Bad news whenever it is more than zero, or while it rises: shown only then, and marked. */
  readonly adverse?: boolean;
  /** Its name for a person, where that made of its own will not do. */
  readonly title?: string;
  /** Numbers that are one series told apart by a label: `closed_eof` is `closed` by the reason `eof`. */
  readonly series?: Label & {
    readonly name: string;
    /** A second label, of which the first tells the parts apart. */
    readonly of?: Label;
  };
  /** Title of the dashboard's table for it and for the other numbers with this title. */
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

/** The same declaration, as one that is bad news. */
export function adverse(declared: StatDeclaration): StatDeclaration {
  return { ...declared, adverse: true };
}

/** The same declaration, with a name for a person. */
export function titled(title: string, declared: StatDeclaration): StatDeclaration {
  return { ...declared, title };
}

/** The same declarations, in a table with this title. */
export function grouped(title: string, declared: Declared): Declared {
  return Object.fromEntries(
    Object.entries(declared).map(([name, one]) => [name, { ...one, group: title }]),
  );
}

/** The same declaration, as one of the series `name`, told apart by `label`, and perhaps by a second label before it. */
export function labelled(
  declared: StatDeclaration,
  name: string,
  label: string,
  value: string,
  of?: Label,
): StatDeclaration {
  return { ...declared, series: { name, label, value, ...(of ? { of } : {}) } };
}

/** Values counted by size, in ranges between fixed bounds. */
export class Histogram {
  readonly bounds: readonly number[];
  /** A count for each bound, of the values above the bound before and not above this one; the last is of values above all. */
  readonly counts: number[];
  sum = 0;

  /** @param bounds the smallest first */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = [...bounds, Infinity].map(() => 0);
  }

  add(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] as number)) at++;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.sum += value;
  }
}

/** Values that are shown as histograms. */
export interface Distribution {
  readonly name: string;
  /** `seconds`, ... */
  readonly unit: string;
  /** One sentence for the operator. */
  readonly about: string;
  /** The label that tells the histograms apart; null where there is only one. */
  readonly label: string | null;
  /** By the value of the label; there are few. */
  readonly histograms: ReadonlyMap<string, Histogram>;
}

/** Declares the numbers of `Closes`. For each reason, `reasons` completes the sentence "Clients closed because ...". */
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
