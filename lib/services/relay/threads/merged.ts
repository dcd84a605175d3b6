import type { MostTold, NumberedClient, PressureTold, StateTold } from "../panel/told.ts";
import { MOST_BEHIND, MOST_HELD, MOST_ROWS } from "../panel/panel.ts";

/** The panel's state over all threads, of which there is at least one. */
export function mergedState(all: readonly StateTold[]): StateTold {
  const [first] = all as readonly [StateTold];
  const backlogs = all.map(({ backlog }) => backlog);
  const paused = backlogs.flatMap(({ paused_ms }) => paused_ms ?? []);
  const most = (of: keyof MostTold): readonly NumberedClient[] =>
    largest(
      all.flatMap((state) => state.most[of]),
      MOST_ROWS,
      ({ value }) => value,
    );
  return {
    pressure: first.pressure && mergedPressure(all.flatMap(({ pressure }) => pressure ?? [])),
    backlog: {
      ...first.backlog,
      waiting: {
        bytes: sum(backlogs, ({ waiting }) => waiting.bytes),
        most: first.backlog.waiting.most,
      },
      paused_ms: paused.length === 0 ? null : Math.max(...paused),
      pauses: sum(backlogs, ({ pauses }) => pauses),
      behind: sum(backlogs, ({ behind }) => behind),
      clients: largest(
        backlogs.flatMap(({ clients }) => clients),
        MOST_BEHIND,
        ({ bytes }) => bytes,
      ),
    },
    most: { lines: most("lines"), bytes: most("bytes"), refused: most("refused") },
  };
}

function mergedPressure(all: readonly PressureTold[]): PressureTold {
  const [first] = all as readonly [PressureTold];
  return {
    ...first,
    rules: first.rules.map((rule, i) => ({
      ...rule,
      times: sum(all, ({ rules }) => rules[i]?.times ?? 0),
    })),
    held: sum(all, ({ held }) => held),
    clients: largest(
      all.flatMap(({ clients }) => clients),
      MOST_HELD,
      ({ since_ms }) => since_ms,
    ),
    dropped_reports: sum(all, ({ dropped_reports }) => dropped_reports),
    dropped_commands: sum(all, ({ dropped_commands }) => dropped_commands),
  };
}

export function sum<T>(all: readonly T[], value: (one: T) => number): number {
  return all.reduce((before, one) => before + value(one), 0);
}

function largest<T>(all: readonly T[], most: number, value: (one: T) => number): readonly T[] {
  return all.toSorted((one, other) => value(other) - value(one)).slice(0, most);
}
