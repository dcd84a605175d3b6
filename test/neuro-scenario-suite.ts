import { afterAll, afterEach } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { Log } from "../lib/host/log.ts";
import { type FileReading, readFile } from "../lib/services/neuro/scenario/file/read.ts";
import { endLines } from "../lib/services/neuro/scenario/report/report.ts";
import type { Outcome, StepOutcome } from "../lib/services/neuro/scenario/play/run.ts";
import { serveScenarios } from "../lib/services/neuro/scenario/serve.ts";
import { configOf, turn, until } from "./kit.ts";
import { dialGame, type TestGame } from "./neuro-suite.ts";

/** Turns of the event loop, in which sockets are read, for each step of time by hand. */
const TURNS = 20;

/** What a test file of scenarios needs, with a folder of its own; what it starts is ended after each test. */
export function scenarioTests() {
  const folder = mkdtempSync(join(tmpdir(), "summoner-scenario-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const endings: (() => unknown)[] = [];
  let files = 0;
  afterEach(async () => {
    for (const end of endings.splice(0).toReversed()) await end();
  });

  /** Writes a file into the folder of the test file. @returns its path */
  function written(text: string, name = `${++files}.toml`): string {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Reads the text of a file of scenarios. */
  function reading(text: string, name?: string): Promise<FileReading> {
    return readFile(written(text, name), new HandClock());
  }

  /** The problems of a file, with its name left out. */
  async function problems(text: string, name?: string): Promise<string[]> {
    const { problems: found } = await reading(text, name);
    return found.map(({ where, message }) => {
      const at = where.replace(/^.*\.(toml|ts)/, "");
      return `${at}: ${message}`.replace(/^: /, "");
    });
  }

  /** A server of scenarios with a clock that moves by hand. */
  async function stage(section: object = {}) {
    const clock = new HandClock();
    const config = configOf({ neuro: { enabled: true, port: 0, ...section } });
    const log = new Log("scenarios", { ...config.logger }, clock, () => {});
    const steps: StepOutcome[] = [];
    let begun = 0;
    const server = await serveScenarios(config, clock, log, {
      began: () => void begun++,
      step: (one) => void steps.push(one),
    });
    const moved = async (promise: Promise<unknown>) => {
      let isDone = false;
      void promise.finally(() => {
        isDone = true;
      });
      while (!isDone) {
        clock.advance(250);
        // Time by hand runs no faster than what is on its way over the sockets of a busy machine.
        for (let i = 0; i < TURNS; i++) await turn();
      }
    };
    endings.push(async () => {
      await moved(server.stop());
      await log.close();
    });
    /** Steps that have ended. */
    const passed = (count: number) => until(() => steps.length >= count);
    return {
      clock,
      run: server.run,
      steps,
      passed,
      /** Resolves once so many scenarios have begun. */
      begun: (count: number) => until(() => begun >= count),
      /** Connects a game that has said startup. */
      async enter(name = "Test Game"): Promise<TestGame> {
        const game = await dialGame(Number(new URL(server.url).port), name);
        endings.push(() => game.close());
        game.send("startup");
        return game;
      },
      /** Plays the scenarios of a text. */
      async play(text: string, name?: string): Promise<readonly Outcome[]> {
        const { plans, problems: found } = await reading(text, name);
        if (found.length > 0) throw new Error(JSON.stringify(found));
        return server.run.play(plans);
      },
      /** Moves time on until a promise is settled. */
      async late<T>(promise: Promise<T>): Promise<T> {
        await moved(promise);
        return promise;
      },
    };
  }

  return { folder, written, reading, problems, stage };
}

/** Why it failed, without the place; "" when it did not. */
export function why([outcome]: readonly Outcome[]): string {
  return outcome?.failure?.why ?? "";
}

/** All that is told of it besides its steps. */
export function told([outcome]: readonly Outcome[]): string {
  return outcome === undefined ? "" : endLines(outcome).join("\n");
}
