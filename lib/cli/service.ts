import { isIP } from "node:net";
import { existsSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { load, type Loaded, problemText } from "../config/load.ts";
import { sectionPaths, valueAt } from "../config/paths.ts";
import { placeOf } from "../config/place.ts";
import type { Folder } from "../config/section.ts";
import { MAIN_SERVICE, isEnabled } from "../config/services.ts";
import { type Config, settings } from "../config/table.ts";
import { StartError } from "../host/errors.ts";
import { placesOf } from "../host/service/places.ts";
import { addressText, type Services } from "../host/service.ts";
import { type Arguments, type Command, SOURCES, sourcesOf } from "./command.ts";
import { say } from "./terminal/say.ts";

/** Seconds that a stop may take beyond the drain. */
const LAST_SECONDS = 5;
/** Folders that the service does not see. */
const HIDDEN = ["/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"];
const LOGS = "/var/log/";
const STATE = "/var/lib/";

export const service: Command = {
  name: "service",
  about: "Print what a service manager needs to run the server with this configuration.",
  more: [
    "For systemd: print it to /etc/systemd/system/summoner.service and call systemctl enable --now summoner.service.",
    `If systemd is to hold the ${MAIN_SERVICE.name}'s port, so that nobody is refused during a restart, print what --socket gives to summoner.socket beside it, and enable that instead.`,
    "A service has no terminal, so SIGHUP reloads: systemctl reload summoner.",
  ],
  operands: [{ name: "KIND", choices: ["systemd"], about: "The service manager: systemd." }],
  flags: [
    ...SOURCES,
    {
      name: "socket",
      about: `Print the unit of the ${MAIN_SERVICE.name}'s socket instead of the service's.`,
    },
  ],
  examples: [
    ["service systemd --config /etc/summoner.toml", "Prints a unit file."],
    ["service systemd --socket", "Prints the socket's unit file."],
  ],
  run(args, { services }) {
    const loaded = load(settings, sourcesOf(args));
    for (const problem of loaded.problems) say.error(problemText(problem));
    if (loaded.problems.length > 0) return 2;
    const unit = args.flags.has("socket")
      ? socketUnit(loaded)
      : serviceUnit(loaded, args, services);
    process.stdout.write(unit);
    return 0;
  },
};

/** @throws StartError when systemd could not listen there */
function socketUnit({ config }: Loaded<Config>): string {
  const { name, host, port } = placeOf(config, MAIN_SERVICE.name);
  if (!isEnabled(config, name)) {
    throw new StartError(`the ${name} is off, and no other service takes a socket`);
  }
  if (isIP(host) === 0) {
    throw new StartError(`host: systemd takes no name (${host}), give an address`);
  }
  if (port === 0) throw new StartError("port: systemd takes no port 0, give another one");
  return unit(
    "[Unit]",
    `Description=Summoner message server, the ${name}'s socket`,
    "",
    "[Socket]",
    `ListenStream=${addressText(host, port)}`,
    "# The server knows it by this name.",
    `FileDescriptorName=${name}`,
    "",
    "[Install]",
    "WantedBy=sockets.target",
  );
}

function serviceUnit(
  { config, file }: Loaded<Config>,
  args: Arguments,
  services: Services<Config>,
): string {
  const program = Bun.main.endsWith(".ts")
    ? [process.execPath, "run", Bun.main]
    : [process.execPath];
  const without = withoutPackages(Bun.main);
  if (without !== null) say.warn(without);
  const from = file === null ? [] : ["--config", resolve(file)];
  for (const path of [...program, ...from]) {
    if (!HIDDEN.some((folder) => path.startsWith(folder))) continue;
    say.warn(
      `${path} is hidden from the service; put it where ProtectHome and PrivateTmp do not hide it`,
    );
  }
  const given = ["preset", "set", "host", "port"].flatMap((name) =>
    (args.flags.get(name) ?? []).flatMap((value) => [`--${name}`, value]),
  );
  const written = permissions(config);
  // Several may lie in one folder.
  const lines = new Set(written.flatMap((folder) => folder.lines));
  const override = written.flatMap((folder) => folder.override);
  return unit(
    "[Unit]",
    "Description=Summoner message server",
    "Wants=network-online.target",
    "After=network-online.target",
    "",
    "[Service]",
    "Type=notify",
    `ExecStart=${[...program, "run", ...from, ...given, ...override].map(argument).join(" ")}`,
    "# A service has no terminal, so SIGHUP reloads.",
    "ExecReload=/bin/kill -HUP $MAINPID",
    ...workingDirectory(file),
    "# For secrets, as SUMMONER_TOKEN=...",
    "EnvironmentFile=-/etc/default/summoner",
    "Restart=on-failure",
    "# Settings that are wrong stay wrong.",
    "RestartPreventExitStatus=2",
    "WatchdogSec=30",
    `TimeoutStopSec=${Math.ceil(config.drain_ms / 1000) + LAST_SECONDS}`,
    "LimitNOFILE=1048576",
    ...lines,
    "",
    "# It reads what everybody may. Keys and certificates that a group may read,",
    "# let it read with SupplementaryGroups=.",
    "DynamicUser=yes",
    ...capabilities(config, services),
    ...HARDENING,
    "# Its machine code is made while it runs, so this one must be off.",
    "MemoryDenyWriteExecute=no",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  );
}

/** The warning that a checkout, by the path of its program, lacks packages; null for the executable. */
export function withoutPackages(main: string): string | null {
  if (!main.endsWith(".ts") || existsSync(join(dirname(main), "node_modules"))) return null;
  return `${dirname(main)} has no node_modules, and the service can fetch no packages; run bun install there first`;
}

const HARDENING = [
  "NoNewPrivileges=yes",
  "ProtectSystem=strict",
  "ProtectHome=yes",
  "ProtectClock=yes",
  "ProtectControlGroups=yes",
  "ProtectHostname=yes",
  "ProtectKernelLogs=yes",
  "ProtectKernelModules=yes",
  "ProtectKernelTunables=yes",
  "ProtectProc=invisible",
  "PrivateDevices=yes",
  "PrivateTmp=yes",
  "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
  "RestrictNamespaces=yes",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "LockPersonality=yes",
  "UMask=0027",
  "SystemCallArchitectures=native",
  "SystemCallFilter=@system-service",
  "SystemCallErrorNumber=EPERM",
];

function workingDirectory(file: string | null): string[] {
  if (file === null) return [];
  const folder = dirname(resolve(file)).replaceAll("%", "%%");
  return ["# Where the relative paths of the configuration lead.", `WorkingDirectory=${folder}`];
}

/** The lines that let the service write a folder, and the flags that move a relative one to where systemd keeps such folders. */
interface Permission {
  readonly lines: readonly string[];
  readonly override: readonly string[];
}

/** The permissions for all folders that the sections name. */
function permissions(config: Config): Permission[] {
  return [...sectionPaths(settings)].flatMap(([section, { rules }]) =>
    (rules.folders?.(valueAt(config, section)) ?? []).map((folder) => {
      const key = `${section}.${folder.key}`;
      return permission(key, valueAt(config, key) as string, folder, section);
    }),
  );
}

function permission(
  key: string,
  path: string,
  { holds, isFile = false }: Folder,
  section: string,
): Permission {
  // The program has one log; each service has its own state.
  const [kind, root, own] =
    holds === "logs"
      ? ["LogsDirectory", LOGS, "summoner"]
      : ["StateDirectory", STATE, `summoner/${section}`];
  if (!isAbsolute(path)) {
    const moved = isFile ? join(root, own, basename(path)) : root + own;
    return { lines: [`${kind}=${own}`], override: ["--set", `${key}=${moved}`] };
  }
  const folder = isFile ? dirname(resolve(path)) : resolve(path);
  const [line, below] = folder.startsWith(LOGS)
    ? ["LogsDirectory", folder.slice(LOGS.length)]
    : folder.startsWith(STATE)
      ? ["StateDirectory", folder.slice(STATE.length)]
      : ["# Everybody must be allowed to write there.\nReadWritePaths", folder];
  return { lines: [`${line}=${word(below)}`], override: [] };
}

function capabilities(config: Config, services: Services<Config>): string[] {
  const on = Object.keys(services).filter((name) => isEnabled(config, name));
  const places = on.flatMap((name) => placesOf(services, config, name));
  const low = places.some(({ port }) => port > 0 && port < 1024);
  const needed = low ? "CAP_NET_BIND_SERVICE" : "";
  return [`CapabilityBoundingSet=${needed}`, ...(low ? [`AmbientCapabilities=${needed}`] : [])];
}

function unit(...lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** A word of a unit file, quoted if need be; see systemd.syntax(7). */
function word(text: string): string {
  const escaped = text.replaceAll("%", "%%");
  return /^[^\s"'\\;]+$/.test(escaped) ? escaped : `"${escaped.replace(/["\\]/g, "\\$&")}"`;
}

/** A word of a command line in a unit file, in which a dollar sign is written twice. */
function argument(text: string): string {
  return word(text.replaceAll("$", "$$$$"));
}
