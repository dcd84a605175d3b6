import { flag, text, whole } from "../option.ts";
import { type Contradiction, section } from "../section.ts";
import { BYTES_MAX } from "./bounds.ts";
import { isEncrypted, maskedUrl, urlFault } from "./cluster-url.ts";

/** The variable of the environment that holds the password of the room's server. */
export const PASSWORD_VARIABLE = "SUMMONER_CLUSTER_PASSWORD";

/** Names within a room: they stand in keys of the server, and in rules about these. */
const ROOM = /^[\w.:-]{1,64}$/;
const ROOMS = "1 to 64 letters, digits, dots, dashes, underscores and colons";
/** Names of nodes, which may be addresses too. */
const NODE = /^[\w.:[\]-]{1,64}$/;
const NODES = "1 to 64 letters, digits, dots, dashes, underscores, colons and square brackets";

const named = (pattern: RegExp) => (found: string) =>
  pattern.test(found) ? null : "it is no such name";

/** The room that relays on several machines share, by a Redis or Valkey server. */
export const cluster = section(
  `One room over several machines: relays that name the same room on the same Redis or Valkey server (6.2 or later) relay to each other's clients, in one order. The server's password is in url, on the first line of password_file, or in the environment as ${PASSWORD_VARIABLE}.`,
  {
    url: text(
      "",
      "The server: redis://HOST:PORT, or rediss:// for TLS, with the user and password before the host if they are not elsewhere: redis://USER:PASSWORD@HOST:PORT. A path is the number of a database. Where sentinels know the server: redis-sentinel://HOST:PORT,HOST:PORT/NAME. Empty: the relay has its room for itself.",
      {
        secret: true,
        masked: maskedUrl,
        check: urlFault,
        allowed:
          "a redis:// or rediss:// URL of a host, with a port and a database if need be, or a redis-sentinel:// one",
      },
    ),
    password_file: text(
      "",
      `File with the password of the server on its first line; it wins over url, and the environment's ${PASSWORD_VARIABLE} over both. Empty means none.`,
    ),
    room: text("main", "The room's name.", {
      check: named(ROOM),
      allowed: ROOMS,
    }),
    node: text(
      "",
      "The name of this relay, of which there is one in its room. Empty takes the machine's name and the port.",
      {
        check: (found) => (found === "" ? null : named(NODE)(found)),
        allowed: `${NODES}, or nothing`,
      },
    ),
    wait: flag(
      false,
      "What happens when the server cannot be reached at the start. false: the relay does not start. true: clients may connect and wait until it can be.",
    ),
    keep_bytes: whole(
      64 * 2 ** 20,
      [16 * 2 ** 20, BYTES_MAX],
      "About how much of the room's lines the server keeps: a relay that is cut off for no longer than these take misses nothing.",
    ),
    ca: text(
      "",
      "File with the authorities that the server's certificate may come from, PEM. Empty means those of the system.",
    ),
    cert: text("", "File with the certificate that the server is shown, PEM. Empty means none."),
    key: text("", "File with its private key, PEM."),
  },
  {
    remarks(given, own) {
      // An empty url that is given is meant.
      if (own.url !== "" || given.has("cluster.url")) return [];
      const idle = Object.keys(own).filter((key) => given.has(`cluster.${key}`));
      if (idle.length === 0) return [];
      const [names, have] = [
        idle.map((key) => `cluster.${key}`).join(", "),
        idle.length === 1 ? "has" : "have",
      ];
      return [`${names} ${have} no effect without cluster.url: the relay has its room for itself`];
    },
    contradictions(own) {
      const found: Contradiction[] = [];
      if ((own.cert === "") !== (own.key === "")) {
        const [present, missing] = own.cert === "" ? ["key", "cert"] : ["cert", "key"];
        found.push({
          key: present,
          by: [missing],
          message: `given without ${missing}; a certificate needs both`,
        });
      }
      if (own.url === "" || isEncrypted(own.url)) return found;
      for (const key of ["ca", "cert"] as const) {
        if (own[key] === "") continue;
        found.push({
          key,
          by: ["url"],
          message: "given, but url does not begin with rediss://, so nothing would be encrypted",
        });
      }
      return found;
    },
  },
);
