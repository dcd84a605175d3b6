import { onTestFinished } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Booted, boot, type BootOptions, type Overrides, raw } from "./kit.ts";

/** A relay and the web service, for one test. */
export async function served(overrides?: Overrides, options?: BootOptions): Promise<Booted> {
  const server = await boot(["relay", "web"], overrides, options);
  onTestFinished(() => server.stop());
  return server;
}

/** A folder, for one test. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-web-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const MODULES = readdirSync(join(import.meta.dir, "../lib/services/web/dashboard"))
  .filter((name) => name.endsWith(".js"))
  .map((name) => `/dashboard/${name}`);
export const BUILT_IN = [
  ["/", "text/html; charset=utf-8", "no-cache"],
  ...MODULES.map((path) => [path, "text/javascript; charset=utf-8", "no-cache"] as const),
  ["/dashboard/page.css", "text/css; charset=utf-8", "no-cache"],
  ["/healthz", "application/json; charset=utf-8", "no-store"],
  ["/readyz", "application/json; charset=utf-8", "no-store"],
  ["/varz", "application/json; charset=utf-8", "no-store"],
  ["/connz", "application/json; charset=utf-8", "no-store"],
  ["/quarantinez", "application/json; charset=utf-8", "no-store"],
  ["/session", "application/json; charset=utf-8", "no-store"],
  ["/metrics", "text/plain; version=0.0.4; charset=utf-8", "no-store"],
  ["/events", "text/event-stream", "no-store"],
] as const;

export const TOKEN = "0123456789abcdef";
export const PAGE = { "x-summoner-page": "1" };
export type Services = Record<string, { quarantine?: unknown }>;

/** The head of a server's answer to a method and a path that `fetch` would not send. */
export function head(server: Booted, what: string): Promise<string> {
  return raw(
    server.port("web"),
    `${what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
  );
}

export async function bodyOf(answer: Response): Promise<Record<string, unknown>> {
  return (await answer.json()) as Record<string, unknown>;
}
