/** A value of JSON. */
export type Value =
  string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

/** Values that a record may have, those within others included: more than anybody logs, and little work. */
export const MOST_VALUES = 4096;

/** What a door knows beyond the texts of an entry. Made without a prototype, so that any key may stand in it. */
export type Attributes = Record<string, Value>;

export function noAttributes(): Attributes {
  return Object.create(null) as Attributes;
}
