import type { Clock } from "../../../../../host/clock.ts";
import type { ServerAddress } from "./address.ts";
import { errorIn, loginOf, refusalText, talked } from "./why-not.ts";

/** A host and a port, as a sentinel tells them. */
const ANSWER = /^\*2\r\n\$\d+\r\n(.*)\r\n\$\d+\r\n(\d+)\r\n/m;
/** The most sentinels of which is said why they do not tell. */
const MOST_REASONS = 5;
const UNKNOWN = /^(\*-1|\$-1|_)\r\n/m;

/**
 * The server of a room with its present address: where sentinels know it, by the first of them that tells.
 * @throws Error with what each sentinel says when none does
 */
export async function located(
  address: ServerAddress,
  clock: Pick<Clock, "after">,
): Promise<ServerAddress> {
  const { sentinels } = address;
  if (sentinels === null) return address;
  const reasons: string[] = [];
  for (const { host, port } of sentinels.all) {
    const found = await told(address, clock, host, port, sentinels.name);
    if (typeof found !== "string") return found;
    reasons.push(`${host}:${port}: ${found}`);
  }
  const more = reasons.length - MOST_REASONS;
  const some = reasons.slice(0, MOST_REASONS).concat(more > 0 ? `and ${more} more` : []);
  throw new Error(`no sentinel tells where it is (${some.join("; ")})`);
}

/** @returns the reason when a sentinel does not tell it */
async function told(
  address: ServerAddress,
  clock: Pick<Clock, "after">,
  host: string,
  port: number,
  name: string,
): Promise<ServerAddress | string> {
  const { url, tls } = address;
  const ask = ["SENTINEL", "get-master-addr-by-name", name];
  const answered = (said: string): ServerAddress | string | null => {
    const [, itsHost, itsPort] = ANSWER.exec(said) ?? [];
    if (itsHost !== undefined) return placed(address, itsHost, Number(itsPort));
    if (UNKNOWN.test(said)) return `it knows no ${name}`;
    const error = errorIn(said);
    if (error === undefined) return null;
    return error.startsWith("ERR unknown command") ? "it is no sentinel" : refusalText(error);
  };
  const login = loginOf(url);
  // Most let everybody in, and refuse whoever shows a password then.
  let wantsLogin = false;
  const found = await talked({ host, port, tls }, clock, [ask], (said) => {
    wantsLogin = said.startsWith("-NOAUTH") && login.length > 0;
    return answered(said);
  });
  return wantsLogin ? talked({ host, port, tls }, clock, [...login, ask], answered) : found;
}

/** The server at another place. @returns the reason when there is no such place */
function placed(address: ServerAddress, host: string, port: number): ServerAddress | string {
  const at = URL.parse(`redis://${host.includes(":") ? `[${host}]` : host}:${port}`);
  if (!at?.hostname || at.port === "" || at.port === "0") return "its answer is not understood";
  const url = new URL(address.url);
  url.host = at.host;
  return { ...address, url: url.href, host, port, shown: at.host, sentinels: null };
}
