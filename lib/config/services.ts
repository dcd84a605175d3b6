import type { Entries, Guards, Question } from "./section.ts";
import { settings } from "./table.ts";

/** A service in the table of settings: a section that can be switched on and off. */
export interface ServiceEntry {
  readonly name: string;
  readonly about: string;
  /** The dotted path of its option, as are the next two. */
  readonly enabled: string;
  readonly host: string;
  readonly port: string;
  /** The path of its own TLS section, or null. */
  readonly tls: string | null;
  readonly guards?: Guards | undefined;
  readonly questions: readonly Question[];
}

/** All services, in the order of the table. A service without a host and port of its own has those of the top level. */
export function servicesOf(entries: Entries): ServiceEntry[] {
  return Object.entries(entries).flatMap(([name, entry]) => {
    if (entry.kind !== "section" || !Object.hasOwn(entry.entries, "enabled")) return [];
    const own = (key: string) => (Object.hasOwn(entry.entries, key) ? `${name}.${key}` : key);
    return {
      name,
      about: entry.about,
      enabled: `${name}.enabled`,
      host: own("host"),
      port: own("port"),
      tls: Object.hasOwn(entry.entries, "tls") ? `${name}.tls` : null,
      guards: entry.rules.guards,
      questions: entry.rules.questions ?? [],
    };
  });
}

/** All services of the table of settings. */
export const SERVICES: readonly ServiceEntry[] = servicesOf(settings);

/** The service whose host and port are the top level's. */
export const MAIN_SERVICE = SERVICES.find(({ host }) => host === "host") as ServiceEntry;

/** True if this service is on in a configuration. */
export function isEnabled(config: object, name: string): boolean {
  const section = (config as Readonly<Record<string, { readonly enabled?: boolean } | undefined>>)[
    name
  ];
  return section?.enabled === true;
}
