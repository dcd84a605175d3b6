import { SERVICES, type ServiceEntry } from "../../config/services.ts";
import { askSeveral, BACK, type Back } from "./ask.ts";
import { answered, type Draft, isOn, valueIn } from "./draft.ts";
import { freeAfter, listenTrouble } from "./files.ts";
import { askOption, lastKey } from "./option.ts";
import type { Step } from "./step.ts";

/** Asks which services should run. */
export async function askServices(draft: Draft): Promise<Draft | Back> {
  const choices = SERVICES.map(({ name, about }) => ({
    value: name,
    label: name,
    hint: about.split(/(?<=\.) /)[0]?.replace(/\.$/, ""),
  }));
  const on = SERVICES.filter((service) => isOn(draft, service)).map(({ name }) => name);
  const chosen = await askSeveral("Which services should run?", choices, on);
  if (chosen === BACK) return BACK;
  let next = draft;
  for (const { name, enabled } of SERVICES) next = answered(next, enabled, chosen.includes(name));
  return next;
}

/** The questions about the host and port of a service. */
export function addressSteps(service: ServiceEntry): Step[] {
  const { name, host, port } = service;
  const applies = (draft: Draft) => isOn(draft, service);
  return [
    {
      applies,
      ask: (draft) =>
        askOption(draft, host, `${name}: ${lastKey(host)}`, {
          doubt: (found) => listenTrouble(found as string, 0),
        }),
    },
    {
      applies,
      ask(draft) {
        const at = valueIn(draft, host) as string;
        return askOption(draft, port, `${name}: ${lastKey(port)}`, {
          refuse: (found) => takenBy(draft, service, found as number),
          doubt: (found) => portTrouble(at, found as number),
        });
      },
    },
  ];
}

/** The refusal of a port that an earlier service has, in words, or null. */
function takenBy(draft: Draft, service: ServiceEntry, found: number): string | null {
  if (found === 0) return null;
  const before = SERVICES.slice(0, SERVICES.indexOf(service));
  const other = before.find((one) => isOn(draft, one) && valueIn(draft, one.port) === found);
  return other ? `${found} is the port of the ${other.name} already; choose another` : null;
}

function portTrouble(host: string, port: number): string | null {
  if (port === 0 || listenTrouble(host, 0) !== null) return null;
  const trouble = listenTrouble(host, port);
  if (!trouble?.endsWith("in use")) return trouble;
  const free = freeAfter(host, port);
  return free === null ? trouble : `${trouble} (${free} is free)`;
}
