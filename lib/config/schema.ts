import type { Option, Schema } from "./option.ts";
import type { Entries } from "./section.ts";

/** The name of the file with the schema, beside a configuration. */
export const SCHEMA_FILE = "summoner.schema.json";
/** The line at the top of a configuration that leads editors to its schema. */
export const SCHEMA_LINE = `#:schema ./${SCHEMA_FILE}`;

/** The schema of a table. */
interface TableSchema {
  readonly description: string;
  readonly type: "object";
  readonly properties: Readonly<Record<string, TableSchema | (Schema & { description: string })>>;
  readonly additionalProperties: false;
}

/** The JSON Schema of the configuration file. */
export function renderSchema(entries: Entries): string {
  const about = `The configuration of a Summoner server. Editors check a file against this when it begins with the line ${SCHEMA_LINE}`;
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "summoner.toml",
    ...tableSchema(about, entries),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function tableSchema(about: string, entries: Entries): TableSchema {
  const properties: Record<string, TableSchema["properties"][string]> = {};
  for (const [key, entry] of Object.entries(entries)) {
    if (entry.kind === "section") {
      properties[key] = tableSchema(entry.about, entry.entries);
      continue;
    }
    properties[key] = optionSchema(entry, "");
    for (const alias of entry.aliases ?? []) {
      properties[alias] = optionSchema(entry, `Another name of ${key}. `);
    }
  }
  return { description: about, type: "object", properties, additionalProperties: false };
}

function optionSchema(option: Option<unknown>, before: string) {
  const { about, allowed, initial, live, schema } = option;
  const restart = live ? "" : " A change takes a restart.";
  return {
    description: `${before}${about} Allowed: ${allowed}.${restart}`,
    ...schema,
    // JSON Schema has no default for a key whose default is to be absent.
    ...(initial === null ? {} : { default: initial }),
  };
}
