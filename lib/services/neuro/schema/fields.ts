/** The fields of a form, as plain JSON. */

/** What every field has. */
export interface AnyField {
  /** Its key; the action's name for the form itself, "" for the items of a list. */
  readonly name: string;
  /** The keys that lead to it in the data. */
  readonly path: readonly string[];
  /** What the schema calls it, else its name. */
  readonly title: string;
  /** "" where there is none. */
  readonly description: string;
  readonly required: boolean;
  /** null is good too. */
  readonly nullable: boolean;
  readonly default?: unknown;
  /** What is wanted, in words: "a whole number from 0 to 5". */
  readonly wants: string;
}

/** One of a few values. */
export interface Option {
  readonly value: unknown;
  /** What is typed for it; different for each. */
  readonly text: string;
  /** What the schema calls it, "" where it has no name for it. */
  readonly title: string;
}

export interface ChoiceField extends AnyField {
  readonly kind: "choice";
  readonly options: readonly Option[];
}

export interface NumberField extends AnyField {
  readonly kind: "whole" | "number";
  readonly min?: number;
  readonly max?: number;
  /** The numbers themselves are not allowed. */
  readonly above?: number;
  readonly below?: number;
  readonly step?: number;
}

export interface TextField extends AnyField {
  readonly kind: "text";
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

export interface FlagField extends AnyField {
  readonly kind: "flag";
}

export interface ListField extends AnyField {
  readonly kind: "list";
  readonly item: Field;
  readonly minItems?: number;
  readonly maxItems?: number;
}

export interface ObjectField extends AnyField {
  readonly kind: "object";
  readonly fields: readonly Field[];
}

export interface JsonField extends AnyField {
  readonly kind: "json";
}

export type Field =
  ChoiceField | NumberField | TextField | FlagField | ListField | ObjectField | JsonField;

/** A field whose `wants` is not written yet. */
export type Unsaid = Field extends infer F ? (F extends Field ? Omit<F, "wants"> : never) : never;
