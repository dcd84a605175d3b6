import { meansLoopback } from "../loopback.ts";
import { flag, host, list, text, whole } from "../option.ts";
import { section } from "../section.ts";
import { CIDRS, isCidr, ownAccess } from "./access.ts";
import { COUNT_MAX, live } from "./bounds.ts";
import { clientLimits } from "./limits.ts";
import { ownTls } from "./tls.ts";

/** The variable of the environment that holds the token of the web service. */
export const TOKEN_VARIABLE = "SUMMONER_TOKEN";

export const web = section(
  "HTTP: health, metrics, admin and the dashboard, and a site of your own beside them. Admin actions exist where there is a token: in the environment as SUMMONER_TOKEN, or in token_file.",
  {
    enabled: flag(true, "Whether the web service runs.", { reference: false }),
    host: host(
      "127.0.0.1",
      "Address it listens on. Anywhere but on loopback, everything except /healthz and /readyz needs the token.",
    ),
    port: whole(8889, [0, 65535], "Its TCP port; 0 takes a free one."),
    token_file: text(
      "",
      "File with the token on its first line, at least 16 characters; the environment's SUMMONER_TOKEN wins. Empty means none.",
      {
        ...live,
        token: { name: "admin", variable: TOKEN_VARIABLE, askedBy: "The dashboard" },
      },
    ),
    dashboard: text("/", "Path of the dashboard.", {
      check: (found) => (/^\/[\w./-]*$/.test(found) ? null : "not a path"),
      allowed: "a path of letters, digits, dots, dashes and slashes that begins with a slash",
    }),
    handler: text(
      "",
      "Module whose default export answers requests that no built-in route takes; where it has a tick, that is called too. Empty means none.",
    ),
    ticker: text(
      "",
      "Module whose default export is a ticker, run apart from the server and started again when it dies. Empty means none.",
    ),
    static: text("", "Folder whose files are served beside the built-in routes. Empty means none."),
    trusted_proxies: list(
      "Proxies in front of it: a request from one of these is taken for the client's that its X-Forwarded-For or Forwarded tells of.",
      CIDRS,
      isCidr,
      live,
    ),
    access_log: flag(
      false,
      "Log each request, at level INFO. On loopback, where every client is this machine, its address reads local.",
      live,
    ),
    max_body_bytes: whole(
      2 ** 20,
      [0, 2 ** 30],
      "Largest body of a request; more is answered 413.",
    ),
    request_timeout_ms: whole(
      30_000,
      [1, 240_000],
      "How long a request may take, its body included, in milliseconds; then it is answered 503, or 408 where its body has stalled.",
    ),
    max_streams: whole(
      1000,
      [1, COUNT_MAX],
      "How many event streams may be open; more are answered 503.",
      live,
    ),
    ...clientLimits(
      "requests may be answered at once, event streams included",
      "of them may come from one address",
    ),
    tls: ownTls("the web service"),
    access: ownAccess("the web service"),
  },
  {
    contradictions({ enabled, host, token_file }) {
      if (!enabled || meansLoopback(host)) return [];
      if (token_file !== "" || process.env[TOKEN_VARIABLE]) return [];
      return [
        {
          key: "host",
          message: `${host} is not loopback, so a token is needed; set ${TOKEN_VARIABLE} in the environment, or web.token_file`,
          token: "token_file",
        },
      ];
    },
    presets: { local: { access_log: true } },
  },
);
