/** A schema of draft 2020-12 without references, of known keywords with good values; or all or nothing. */
export type Part = boolean | Keywords;
export interface Keywords {
  title?: string;
  description?: string;
  default?: unknown;
  type?: readonly string[];
  const?: unknown;
  enum?: readonly unknown[];
  properties?: Readonly<Record<string, Part>>;
  patternProperties?: Readonly<Record<string, Part>>;
  additionalProperties?: Part;
  unevaluatedProperties?: Part;
  propertyNames?: Part;
  required?: readonly string[];
  dependentRequired?: Readonly<Record<string, readonly string[]>>;
  dependentSchemas?: Readonly<Record<string, Part>>;
  minProperties?: number;
  maxProperties?: number;
  prefixItems?: readonly Part[];
  items?: Part;
  unevaluatedItems?: Part;
  contains?: Part;
  minContains?: number;
  maxContains?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  allOf?: readonly Part[];
  anyOf?: readonly Part[];
  oneOf?: readonly Part[];
  not?: Part;
  if?: Part;
  then?: Part;
  else?: Part;
}

/** How much of a part is copied when it is put together with another. */
export function bulkOf({ type, enum: values, required, properties, patternProperties }: Keywords) {
  const lists = (type?.length ?? 0) + (values?.length ?? 0) + (required?.length ?? 0);
  const named = [properties, patternProperties].map((one) => Object.keys(one ?? {}).length);
  return named.reduce((sum, one) => sum + one, 1 + lists);
}

/** What meets both. What cannot be said in one part is left to the check of what was made. */
export function merged(a: Keywords, b: Keywords): Keywords {
  const whole: Keywords = { ...a, ...b };
  const both = <K extends keyof Keywords>(
    key: K,
    join: (one: NonNullable<Keywords[K]>, other: NonNullable<Keywords[K]>) => Keywords[K],
  ) => {
    const [one, other] = [a[key], b[key]];
    if (one !== undefined && other !== undefined) whole[key] = join(one!, other!);
  };
  both("type", (one, other) => {
    const isIn = (list: readonly string[], type: string) =>
      list.includes(type) || (type === "integer" && list.includes("number"));
    return [
      ...one.filter((type) => isIn(other, type)),
      ...other.filter((type) => type === "integer" && !one.includes(type) && isIn(one, type)),
    ];
  });
  both("enum", (one, other) => {
    const texts = new Set(other.map((value) => JSON.stringify(value)));
    return one.filter((value) => texts.has(JSON.stringify(value)));
  });
  both("required", (one, other) => [...new Set([...one, ...other])]);
  for (const key of ["properties", "patternProperties"] as const) {
    both(key, (one, other) => {
      const names = new Set([...Object.keys(one), ...Object.keys(other)]);
      return Object.fromEntries(
        [...names].map((name) => {
          const found = [one, other].flatMap((part) =>
            Object.hasOwn(part, name) ? [part[name] as Part] : [],
          );
          return [name, found.length === 1 ? (found[0] as Part) : { allOf: found }];
        }),
      );
    });
  }
  both("items", (one, other) => ({ allOf: [one, other] }));
  for (const key of [
    "minimum",
    "exclusiveMinimum",
    "minLength",
    "minItems",
    "minProperties",
  ] as const) {
    both(key, Math.max);
  }
  for (const key of [
    "maximum",
    "exclusiveMaximum",
    "maxLength",
    "maxItems",
    "maxProperties",
  ] as const) {
    both(key, Math.min);
  }
  return whole;
}
