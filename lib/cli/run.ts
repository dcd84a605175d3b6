import { type Command, SOURCES, sourcesOf } from "./command.ts";

export const run: Command = {
  name: "run",
  about: "Start the server. This is what happens without a command.",
  more: [
    "SIGINT and SIGTERM drain it, a second one cuts. SIGHUP reads the settings again, except under a terminal, where it drains too.",
  ],
  flags: SOURCES,
  serves: true,
  examples: [
    ["", "Starts with ./summoner.toml, or the defaults where there is none."],
    ["--port 9000", "Listens on another port."],
    ["--config server.json", "Takes the place of a reference server."],
    ["--preset strict --set logger.log_level=DEBUG", "Starts from a preset, and changes one key."],
  ],
  async run(args, { services, program }) {
    const { start } = await import("./start.ts");
    return start(sourcesOf(args), services, program);
  },
};
