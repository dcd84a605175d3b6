import type { Barred, Running } from "../../../host/service.ts";
import type { HttpServer } from "../../../net/http.ts";
import { json, longJson, refusal } from "../answers.ts";
import { wholeNumber } from "./connz.ts";

const LIMIT_MAX = 1000;
const OFFSET_MAX = 1e9;
const PARAMETERS = ["service", "address", "limit", "offset"];

/** A quarantine, as it is told. */
export interface BarredRow {
  readonly key: string;
  readonly seconds_left: number;
  readonly since_seconds: number;
  readonly why: string;
}

export function barredRow({ key, leftMs, sinceMs, why }: Barred): BarredRow {
  return {
    key,
    seconds_left: Math.ceil(leftMs / 1000),
    since_seconds: Math.floor(sinceMs / 1000),
    why,
  };
}

/** Answers `GET /quarantinez`: who is barred at a service, the last one first. */
export async function quarantinez(
  request: Request,
  http: HttpServer,
  services: ReadonlyMap<string, Running>,
): Promise<Response> {
  const { searchParams: parameters } = new URL(request.url);
  for (const name of parameters.keys()) {
    if (PARAMETERS.includes(name)) continue;
    return refusal(400, `${name}: unknown; known: ${PARAMETERS.join(", ")}`);
  }
  const withDesk = [...services].filter(([, { quarantine }]) => quarantine !== undefined);
  const service = parameters.get("service") ?? withDesk[0]?.[0];
  const desk = withDesk.find(([name]) => name === service)?.[1].quarantine;
  if (desk === undefined) {
    const allowed = withDesk.map(([name]) => name).join(", ") || "none has a quarantine";
    return refusal(400, `service: allowed: ${allowed}`);
  }
  const limit = wholeNumber(parameters.get("limit") ?? "100", 1, LIMIT_MAX);
  if (limit === null) return refusal(400, `limit: allowed: a whole number from 1 to ${LIMIT_MAX}`);
  const offset = wholeNumber(parameters.get("offset") ?? "0", 0, OFFSET_MAX);
  if (offset === null)
    return refusal(400, `offset: allowed: a whole number from 0 to ${OFFSET_MAX}`);
  const address = parameters.get("address") ?? "";
  const { total, rows } = lastOf(desk.entries(), address, offset, limit);
  const page = { service, address, limit, offset, total, quarantine: rows.map(barredRow) };
  // Compressed together with a text that an attacker chooses, the length would reveal addresses.
  return address === "" ? longJson(request, http, page) : json(page);
}

/** Some of those whose key contains a text, the last one first. */
function lastOf(all: Iterable<Barred>, address: string, offset: number, limit: number) {
  // There may be a hundred thousand: only those that may be shown are kept.
  const kept: Barred[] = [];
  const most = offset + limit;
  let total = 0;
  for (const one of all) {
    if (!one.key.includes(address)) continue;
    kept[total % most] = one;
    total++;
  }
  const rows: Barred[] = [];
  for (let at = total - 1 - offset; at >= 0 && rows.length < limit; at--) {
    rows.push(kept[at % most] as Barred);
  }
  return { total, rows };
}
