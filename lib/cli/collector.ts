import { numberOr } from "../config/load.ts";
import { addressText, type Running } from "../host/service.ts";
import { alone, aloneFlags, aloneSources, sectionLayer } from "./alone.ts";
import type { Command } from "./command.ts";
import { start } from "./start.ts";

const SERVICE = "collector";
const NAME = "LogServer";

export const collectorCommand: Command = {
  name: "collector",
  about: "Collect the logs of other programs, and nothing else.",
  more: ["It prints the five lines that the reference log server prints at its start."],
  flags: [
    ...aloneFlags(SERVICE, "clients"),
    { name: "name", value: "NAME", about: `The name in those lines; default ${NAME}.` },
    {
      name: "grpc_port",
      value: "PORT",
      about: `Port for gRPC; 0 takes a free one; default ${SERVICE}.grpc_port.`,
    },
    { name: "tcp_only", about: "Listen on the TCP port alone, without gRPC." },
    { name: "enable_grpc", about: "Listen for gRPC too, as it does without this." },
  ],
  serves: true,
  examples: [
    ["collector", "Starts it with the defaults."],
    [
      "collector --name MyLogServer --host 0.0.0.0 --port 9020 --set collector.allow_open=true",
      "Lets everybody in who can connect.",
    ],
    ["collector --tcp_only", "Without gRPC."],
  ],
  run(args, context) {
    const { flags } = args;
    const [name = NAME] = flags.get("name") ?? [];
    const [port] = flags.get("grpc_port") ?? [];
    const given = [
      ...(port === undefined
        ? []
        : [sectionLayer(SERVICE, "--grpc_port", { grpc_port: numberOr(port) })]),
      ...(flags.has("enable_grpc")
        ? [sectionLayer(SERVICE, "--enable_grpc", { tcp_only: false })]
        : []),
      ...(flags.has("tcp_only") ? [sectionLayer(SERVICE, "--tcp_only", { tcp_only: true })] : []),
    ];
    const line = (text: string) => process.stdout.write(`${name} : ${text}\n`);
    return start(aloneSources(SERVICE, args, ...given), alone(SERVICE, context), context.program, {
      starting() {
        line("starting log server");
        line("starting server components");
      },
      ready(running) {
        const { addresses } = running.get(SERVICE) as Running;
        for (const kind of ["TCP", "gRPC"]) {
          const address = addresses.find(({ door }) => door === kind.toLowerCase());
          if (address)
            line(`${kind} server listening on ${addressText(address.host, address.port)}`);
        }
        line("all server components started");
      },
    });
  },
};
