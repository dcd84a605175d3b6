const SCHEMES = ["redis:", "rediss:", "valkey:", "valkeys:"];
/** Schemes of an encrypted connection. */
const ENCRYPTED = ["rediss:", "valkeys:"];
/** Sentinels that know the server, in the forms that other programs take. */
const SENTINELS =
  /^(redis|valkey)(s?)[-+]sentinel:\/\/(.*@)?([^/?#]*)(?:\/([^/?#]*))?([/?#].*)?$/is;
/** The port of a sentinel that is named without one. */
const SENTINEL_PORT = 26_379;
/** Names that Sentinel takes. */
const NAME = /^[\w.-]{1,64}$/;

/** The sentinels that know where a server is. */
export interface Sentinels {
  readonly all: readonly { readonly host: string; readonly port: number }[];
  /** Their name of the server. */
  readonly name: string;
}

interface Parsed {
  /** The URL of the server; of the first sentinel, where sentinels know the server. */
  readonly url: URL;
  readonly sentinels: Sentinels | null;
  /** The URL as a person may see it. */
  readonly shown: string;
}

/** The server that a URL without a fault names. */
export function roomUrl(text: string): Parsed {
  const parsed = parse(text);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
}

/** True if the connection to this server is encrypted. */
export function isEncrypted(text: string): boolean {
  const parsed = parse(text);
  return typeof parsed !== "string" && ENCRYPTED.includes(parsed.url.protocol);
}

/** A URL without user and password. */
export function withoutSecrets(text: string): string {
  return roomUrl(text).shown;
}

/** True if the password stands in the URL. */
export function hasPassword(text: string): boolean {
  const parsed = parse(text);
  return typeof parsed !== "string" && parsed.url.password !== "";
}

/** A URL with another password; with none if that is empty. */
export function withPassword(text: string, password: string): string {
  const { url, shown } = roomUrl(text);
  const secret = password === "" ? "" : `:${encodeURIComponent(password)}`;
  return withLogin(shown, url.username + secret);
}

export function maskedUrl(text: string): string {
  const parsed = parse(text);
  if (typeof parsed === "string") return "********";
  const { username, password } = parsed.url;
  return withLogin(parsed.shown, username + password === "" ? "" : "********");
}

/** The fault of a text that should be the server's URL, in words that show nothing of it. */
export function urlFault(text: string): string | null {
  if (text === "") return null;
  const parsed = parse(text);
  return typeof parsed === "string" ? parsed : null;
}

function withLogin(shown: string, login: string): string {
  return login === "" ? shown : shown.replace("//", () => `//${login}@`);
}

/** @returns the fault, in words that show nothing of the text */
function parse(text: string): Parsed | string {
  const [, kind, s, login = "", hosts, name = "", rest = ""] = SENTINELS.exec(text) ?? [];
  if (hosts === undefined) return parsePlain(text);
  const all = hosts.split(",").map((host) => URL.parse(`redis://${host}`));
  if (all.some((at) => !at?.hostname)) return "it has a sentinel that is no HOST:PORT";
  const sentinels = (all as URL[]).map(({ hostname, port }) => ({
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? SENTINEL_PORT : Number(port),
  }));
  if (sentinels.some(({ port }) => port === 0)) return PORT_ZERO;
  if (!NAME.test(name)) return "it lacks the sentinels' name of the server, as in /mymaster";
  const plain = parsePlain(`redis${s}://${login}${(all[0] as URL).host}${rest}`);
  if (typeof plain === "string") return plain;
  const places = (all as URL[]).map(({ host }) => host).join(",");
  const shown = `${kind}${s}-sentinel://${places}/${name}${rest === "/" ? "" : rest}`;
  return { url: plain.url, sentinels: { all: sentinels, name }, shown };
}

const PORT_ZERO = "its port is 0, where no server can be";

function parsePlain(text: string): Parsed | string {
  const url = URL.parse(text);
  if (url === null) return "it is no URL";
  const { protocol, host, pathname } = url;
  if (!SCHEMES.includes(protocol)) return "it does not begin with redis:// or rediss://";
  if (url.hostname === "") return "it names no host";
  if (url.port === "0") return PORT_ZERO;
  if (!isDecodable(url.username + url.password)) {
    return "a % in its user or password is to be written as %25";
  }
  if (!/^(\/\d{0,4})?$/.test(pathname)) return "its path is not the number of a database";
  if (url.search + url.hash !== "") return "it has more than a host, a port and a database";
  const shown = `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
  return { url, sentinels: null, shown };
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
