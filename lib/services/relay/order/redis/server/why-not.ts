import { connect as connectPlain, isIP } from "node:net";
import { connect as connectTls } from "node:tls";
import { reasonOf } from "../../../../../config/reason.ts";
import type { Clock } from "../../../../../host/clock.ts";
import { printable } from "../../../../../host/content.ts";
import type { ServerAddress } from "./address.ts";

type Later = Pick<Clock, "after">;

/** Milliseconds that the server may take to connect and to answer. */
const PATIENCE_MS = 2000;
/** The most characters of an answer that are looked at. */
const MOST_ANSWER = 200;

/** The first words of what a server says to somebody whom it does not let in, and those that a person is told. */
const REFUSALS: readonly (readonly [begins: string, words: string])[] = [
  ["NOAUTH", "it asks for a password"],
  ["WRONGPASS", "it does not know this user or password"],
  ["ERR invalid password", "it does not know this password"],
  ["DENIED", "it takes connections of its own machine alone, as long as it has no password"],
];

/** The reasons of a server that wants a password, or another one. */
const LOGIN_REASONS = REFUSALS.filter(([begins]) => begins !== "DENIED").map(([, words]) => words);

/** True if a reason is that of a server that wants a password, or another one. */
export function isLogin(reason: string): boolean {
  return LOGIN_REASONS.some((words) => reason.startsWith(words));
}

/**
 * The reason why a connection to a server cannot be had. Bun's client says no
 * more than that it was closed, so this asks the server by hand.
 */
export async function whyNot(address: ServerAddress, clock: Later): Promise<string> {
  const database = new URL(address.url).pathname.slice(1);
  const login = loginOf(address.url);
  if (database !== "") login.push(["SELECT", database]);
  return talked(address, clock, [...login, ["PING"]], (said) => {
    const error = errorIn(said);
    if (error !== undefined) return refusalText(error);
    if (/^\+PONG\r\n/m.test(said)) return "it closed the connection";
    return /^\+(OK\r\n)?/.test(said) ? null : NO_REDIS;
  });
}

/** The commands by which somebody with the user and password of a URL is let in; none without a password. */
export function loginOf(url: string): (readonly string[])[] {
  const { username, password } = new URL(url);
  const [user, secret] = [username, password].map(decodeURIComponent) as [string, string];
  return secret === "" ? [] : [["AUTH", ...(user === "" ? [] : [user]), secret]];
}

/** The first error in what a server has said. */
export function errorIn(said: string): string | undefined {
  return /^-(.*)\r\n/m.exec(said)?.[1];
}

/**
 * Gives a server commands over a connection of their own.
 * @param found looks at what it has said so far; null waits for more
 * @returns what is found, or the reason why nothing is
 */
export function talked<T>(
  { host, port, tls }: Pick<ServerAddress, "host" | "port" | "tls">,
  clock: Later,
  commands: readonly (readonly string[])[],
  found: (said: string) => T | null,
): Promise<T | string> {
  const { promise, resolve } = Promise.withResolvers<T | string>();
  const to = { host, port, timeout: PATIENCE_MS };
  // The name in the certificate; an address is none.
  const named = { ...(isIP(host) === 0 && { servername: host }), ...(tls === true ? {} : tls) };
  const socket = tls === false ? connectPlain(to) : connectTls({ ...to, ...(named as object) });
  socket.on(tls === false ? "connect" : "secureConnect", () => {
    for (const command of commands) socket.write(commandText(command));
  });
  let isThere = false;
  socket.on("connect", () => (isThere = true));
  let said = "";
  socket.setEncoding("latin1");
  socket.on("data", (text) => {
    said += text;
    const answer = found(said);
    if (answer !== null) resolve(answer);
    else if (said.length > MOST_ANSWER) resolve(NO_REDIS);
  });
  const silence = "it does not answer";
  const late = () =>
    resolve(isThere && tls !== false ? `${silence}; perhaps it does not speak TLS` : silence);
  socket.on("timeout", late);
  // Whoever answers byte by byte is never silent.
  const forgetLate = clock.after(PATIENCE_MS, late);
  socket.on("error", (error) => resolve(brokenText(error, host, tls)));
  socket.on("close", () => resolve(NO_REDIS));
  return promise.finally(() => {
    forgetLate();
    socket.destroy();
  });
}

/** Codes of certificates that no known authority has signed. */
const NOT_TRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** What a person is told of a connection that breaks before it is ready. */
function brokenText(error: Error, host: string, tls: ServerAddress["tls"]): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  const said = printable(reasonOf(error));
  if (code === "ECONNREFUSED") return "the connection was refused";
  if (code === "ECONNRESET" && tls === false) {
    return "it closed the connection; perhaps it speaks TLS, for which the URL begins with rediss://";
  }
  if (NOT_TRUSTED.has(code)) {
    const isNamed = typeof tls === "object" && tls.ca !== undefined;
    const next = isNamed ? "cluster.ca names another one" : "name it in cluster.ca";
    return `no authority that is known here has signed its certificate (${said}); ${next}`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return `its certificate is for other names than ${host} (subjectAltName)`;
  }
  return said;
}

const NO_REDIS = "it does not answer as a Redis server does";

/** A command as the server reads it. */
function commandText(words: readonly string[]): string {
  const texts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${texts.join("")}`;
}

/** What a person is told of an error by which a server lets nobody in. */
export function refusalText(error: string): string {
  const known = REFUSALS.find(([begins]) => error.includes(begins));
  return known?.[1] ?? withHint(printable(error).slice(0, MOST_ANSWER));
}

/** Errors of the server that say what is wrong, but not what to do. */
const HINTS: readonly (readonly [begins: RegExp, hint: string])[] = [
  [/^NOPERM .*'select'/i, "the user's rule needs +select for a database other than 0"],
  [/^NOPERM .*\bkeys?\b/, "the user's rule has to name those of this room, ~summoner:{ROOM}:*"],
  [/^NOPERM /, "the user's rule has to allow it, as the one on the page about rooms does"],
  [
    /^ERR The user executing the script can't run/,
    "the user's rule has to allow all that the one on the page about rooms does",
  ],
  [/^OOM /, "its memory is full: raise its maxmemory"],
  [
    /^READONLY /,
    "it is a replica: url has to lead to the server that takes writes, or to the sentinels",
  ],
  [
    /^ERR unknown command/,
    "a sentinel is named by redis-sentinel://, and a server is Redis 6.2 or later",
  ],
];

/** An error of the server, with what to do about it where that is known. */
export function withHint(error: string): string {
  const hint = HINTS.find(([begins]) => begins.test(error))?.[1];
  return hint === undefined ? error : `${error.replace(/\.$/, "")}; ${hint}`;
}
