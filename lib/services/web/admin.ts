import { isIP } from "node:net";
import { spelledOnce } from "../../config/cidr.ts";
import { cut } from "../../config/shown.ts";
import { settings } from "../../config/table.ts";
import { printable } from "../../host/content.ts";
import { Refused } from "../../host/service/panel.ts";
import type { Host } from "../../host/service.ts";
import { kickAt } from "./told/clusterz.ts";

const LEVEL = settings.logger.entries.log_level;
const LEVELS = LEVEL.words.join(", ");

type Fields = Readonly<Record<string, unknown>>;

interface Action {
  /** One sentence for the reference. */
  readonly about: string;
  /** Its fields, each with its meaning or its allowed values. */
  readonly fields: Readonly<Record<string, string>>;
  /** @returns a sentence about the effect @throws Refused when it cannot be done */
  run(fields: Fields, host: Host<never>, who: string): string | Promise<string>;
}

/** Most seconds for which an operator may bar an address: a year. */
const QUARANTINE_MAX = 365 * 86_400;

/** The actions of an operator by name: `POST /admin/NAME` with the fields as a JSON object. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  kick: {
    about: "Close a client.",
    fields: {
      service: "its service",
      id: "its id, as /connz of its server tells it",
      node: "its node, as /clusterz tells it; without one, this server",
    },
    async run(fields, { services, clock }) {
      const name = text(fields, "service");
      const id = whole(fields, "id", 1, Number.MAX_SAFE_INTEGER);
      const service = services.get(name);
      if (!service) throw new Refused(404, `there is no service ${cut(name)}`);
      if (fields["node"] !== undefined) {
        const node = text(fields, "node");
        const where = await kickAt(name, service.room, node, id, clock);
        return `closed client ${id} of ${name} on node ${cut(printable(node))}, ${where}`;
      }
      const address = await service.kick(id);
      if (address === null) {
        throw new Refused(404, `${name} has no client ${id}; it may have left`);
      }
      return `closed client ${id} of ${name}, ${address}`;
    },
  },
  quarantine: {
    about: "Bar an address for a while, and close whoever is connected from there.",
    fields: {
      service: "the service",
      address: "an IP address",
      seconds: `from 1 to ${QUARANTINE_MAX}`,
    },
    run(fields, host) {
      const desk = deskOf(fields, host);
      const address = addressIn(fields);
      const seconds = whole(fields, "seconds", 1, QUARANTINE_MAX);
      return `${desk.impose(address, seconds)} is in quarantine for ${seconds} s`;
    },
  },
  lift: {
    about: "End a quarantine.",
    fields: {
      service: "the service",
      address: "an IP address",
      key: "instead of it what is barred, as /varz tells it: an address, or one with a port",
    },
    run(fields, host) {
      const [byAddress, byKey] = [Object.hasOwn(fields, "address"), Object.hasOwn(fields, "key")];
      if (byAddress && byKey) throw new Refused(400, "key: not with address; give one of them");
      const key = byKey ? text(fields, "key").replace(/^\S+/, spelledOnce) : addressIn(fields);
      if (!deskOf(fields, host).lift(key))
        throw new Refused(404, `${cut(key)} is not in quarantine`);
      return `${key} is no longer in quarantine`;
    },
  },
  reload: {
    about: "Read the configuration file again and apply it, as SIGHUP does.",
    fields: {},
    run(_fields, { operator }) {
      const { ok, outcome } = operator.reload();
      if (!ok) throw new Refused(409, outcome);
      return outcome;
    },
  },
  drain: {
    about: "Drain and stop the server, as SIGTERM does.",
    fields: {},
    run(_fields, { operator }, who) {
      operator.drain(who);
      return "draining";
    },
  },
  "log-level": {
    about: "Set the log level until the next reload.",
    fields: { level: LEVELS },
    run(fields, { log }) {
      const found = text(fields, "level");
      const level = LEVEL.read(found);
      if (!level) throw new Refused(400, `level: found ${cut(found)}; allowed: ${LEVELS}`);
      const before = log.level;
      log.setLevel(level);
      return `the log level was ${before} and is ${level}`;
    },
  },
};

/**
 * Carries out an action and logs it under the name of `who`.
 * @throws Refused when it cannot be done
 */
export async function act(
  name: string,
  fields: Fields,
  host: Host<never>,
  who: string,
): Promise<string> {
  const action = ACTIONS[name] as Action;
  refuseUnknown("field", fields, action.fields);
  return audited(name, host, who, async () => {
    const outcome = await action.run(fields, host, who);
    return { outcome };
  }).then(({ outcome }) => outcome);
}

/** Refuses names that are not among those that are known. @throws Refused */
export function refuseUnknown(kind: string, given: object, known: object): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).join(", ") || "none";
    throw new Refused(400, `${cut(name)}: unknown ${kind}; known: ${names}`);
  }
}

/**
 * Does something in the name of `who` and logs what became of it.
 * @throws Refused when it cannot be done
 */
export async function audited<D extends { readonly outcome: string }>(
  name: string,
  { log }: Pick<Host<never>, "log">,
  who: string,
  act: () => D | Promise<D>,
): Promise<D> {
  try {
    const done = await act();
    log.audit(`admin: ${who}: ${name}: ${done.outcome}`);
    return done;
  } catch (error) {
    if (error instanceof Refused) {
      log.audit(`admin: ${who}: ${name}: refused: ${error.message}`);
    }
    throw error;
  }
}

function deskOf(fields: Fields, { services }: Host<never>) {
  const name = text(fields, "service");
  const desk = services.get(name)?.quarantine;
  if (!desk) throw new Refused(404, `there is no service ${cut(name)} with a quarantine`);
  return desk;
}

/** The field `address`, in one spelling. */
function addressIn(fields: Fields): string {
  const address = text(fields, "address");
  if (isIP(address) === 0) {
    throw new Refused(400, `address: found ${cut(address)}; allowed: an IP address`);
  }
  if (address.includes("%")) {
    const why = "allowed: an IP address without a zone, as no client is known by one";
    throw new Refused(400, `address: found ${address}; ${why}`);
  }
  return spelledOnce(address);
}

function text(fields: Fields, name: string): string {
  const found = fields[name];
  if (typeof found === "string" && found !== "") return found;
  throw new Refused(400, `${name}: needs a text`);
}

function whole(fields: Fields, name: string, min: number, max: number): number {
  const found = fields[name];
  if (typeof found === "number" && Number.isInteger(found) && found >= min && found <= max) {
    return found;
  }
  throw new Refused(400, `${name}: needs a whole number from ${min} to ${max}`);
}
