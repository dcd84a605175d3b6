/** The actions of a game, as the page gets them. */
import type { Field } from "../schema/fields.ts";
import { formOf } from "../schema/form.ts";
import type { Action, Schema } from "../protocol.ts";
import { rulesOf } from "../schema/rules.ts";
import { bounded } from "./shown.ts";
import type { ActionTold } from "./told.ts";

const LONGEST_DESCRIPTION = 4000;
const LONGEST_SCHEMA = 20_000;
/** Characters of a form as JSON; a larger one is written as JSON by whoever fills it in. */
const LONGEST_FORM = 200_000;

/** What was made of each action, since pages ask again and again. */
const known = new WeakMap<Action, ActionTold>();

export function actionTold(action: Action): ActionTold {
  let told = known.get(action);
  if (told === undefined) {
    told = made(action);
    known.set(action, told);
  }
  return told;
}

function made(action: Action): ActionTold {
  const { name, description, schema } = action;
  const rules = rulesOf(action);
  const trouble = rules !== null && "code" in rules ? rules.text : null;
  return {
    name,
    description: bounded(description, LONGEST_DESCRIPTION),
    schema: schema === null ? null : schemaTold(schema),
    form: trouble === null ? formTold(action) : null,
    trouble,
  };
}

function schemaTold(schema: Schema): string {
  const compact = JSON.stringify(schema);
  // Indented, a deep one would be many times as long.
  const isLong = compact.length > LONGEST_SCHEMA;
  return bounded(isLong ? compact : JSON.stringify(schema, null, 2), LONGEST_SCHEMA);
}

function formTold(action: Action): Field | null {
  const form = formOf(action);
  if (form === null || "code" in form) return null;
  if (JSON.stringify(form).length <= LONGEST_FORM) return form;
  const own = { name: action.name, path: [], title: action.name, description: "" };
  return { ...own, required: true, nullable: false, kind: "json", wants: "an object as JSON" };
}
