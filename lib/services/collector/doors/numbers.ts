import type { Table } from "../../../host/service.ts";
import { counter, type Declared, labelled } from "../../../host/stats.ts";
import { type Door, type DoorName, REFUSALS, type Refusal } from "./door.ts";

const REASONS = Object.keys(REFUSALS) as Refusal[];

/** The numbers of each of these doors, declared. */
export function declaredOf(doors: readonly Door[]): Declared {
  const all = doors.flatMap(({ name }) => [
    [
      `records_${name}`,
      labelled(counter("records", `Entries that came by ${name}.`), "door_records", "door", name),
    ],
    [
      `bytes_${name}`,
      labelled(
        counter("bytes", `Bytes of the messages that held entries, by ${name}.`),
        "door_bytes",
        "door",
        name,
      ),
    ],
    ...REASONS.map((reason) => [
      nameOf(name, reason),
      labelled(
        counter("messages", `Messages by ${name} that were refused because ${REFUSALS[reason]}.`),
        "door_refused",
        "reason",
        reason,
        { label: "door", value: name },
      ),
    ]),
  ]);
  return Object.fromEntries(all) as Declared;
}

function nameOf(door: DoorName, reason: Refusal): string {
  return `refused_${door}_${reason}`;
}

/** The numbers of each of these doors. */
export function numbersOf(doors: readonly Door[]): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const { name, counts } of doors) {
    numbers[`records_${name}`] = counts.records;
    numbers[`bytes_${name}`] = counts.bytes;
    for (const reason of REASONS) numbers[nameOf(name, reason)] = counts.refused[reason];
  }
  return numbers;
}

/** A row for each of these doors, in their order. */
export function tableOf(doors: readonly Door[]): Table {
  return {
    name: "doors",
    about: "What has come in by each door.",
    columns: [
      { name: "records", unit: "records" },
      { name: "bytes", unit: "bytes" },
      { name: "refused", unit: "messages" },
      { name: "clients", unit: "clients" },
    ],
    rows: doors.map(({ name, counts, clients }) => [
      name,
      counts.records,
      counts.bytes,
      counts.refusedInAll,
      clients?.size ?? 0,
    ]),
    more: 0,
    partial: false,
  };
}
