import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = join(import.meta.dir, "..", "index.ts");

/** Runs the command until it has said a line, then stops it. @returns all that it printed, and its exit code */
async function collector(args: readonly string[], last: string) {
  const child = Bun.spawn([process.execPath, program, "collector", ...args], {
    cwd: mkdtempSync(join(tmpdir(), "collector-cli-")),
    env: { ...process.env, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let said = "";
  let isStopped = false;
  const errors = new Response(child.stderr).text();
  for await (const bytes of child.stdout) {
    said += new TextDecoder().decode(bytes);
    if (isStopped || !said.includes(last)) continue;
    isStopped = true;
    child.kill("SIGTERM");
  }
  const own = said.split("\n").filter((line) => / : /.test(line));
  return { own, errors: await errors, code: await child.exited };
}

test("collector starts that service alone, and prints the five lines of the reference", async () => {
  const args = ["--name", "MyLogs", "--port", "0", "--grpc_port", "0", "--enable_grpc"];
  const { own, code } = await collector(args, "all server components started");
  expect(own.map((line) => line.replace(/:\d+$/, ":PORT"))).toEqual([
    "MyLogs : starting log server",
    "MyLogs : starting server components",
    "MyLogs : TCP server listening on 127.0.0.1:PORT",
    "MyLogs : gRPC server listening on 127.0.0.1:PORT",
    "MyLogs : all server components started",
  ]);
  expect(code).toBe(0);
});

test("with --tcp_only it does without gRPC", async () => {
  const { own, code } = await collector(["--port", "0", "--tcp_only"], "components started");
  expect(own.map((line) => line.replace(/:\d+$/, ":PORT"))).toEqual([
    "LogServer : starting log server",
    "LogServer : starting server components",
    "LogServer : TCP server listening on 127.0.0.1:PORT",
    "LogServer : all server components started",
  ]);
  expect(code).toBe(0);
});

test("what is wrong on its command line is told, and nothing starts", async () => {
  const { own, errors, code } = await collector(["--port", "70000", "--grpc_port", "x"], "never");
  expect(own).toEqual([]);
  expect(errors).toContain("--port: collector.port");
  expect(errors).toContain("--grpc_port: collector.grpc_port");
  expect(code).toBe(2);
});
