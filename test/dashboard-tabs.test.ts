import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boot, dial, until } from "./kit.ts";
import { BROWSER, clock, STATUS, stat, Tab, text, TOKEN } from "./tab.ts";

if (!BROWSER) console.log("skipped: the dashboard in several tabs, because there is no Chromium");
const nginx =
  Bun.which("nginx") ?? (Bun.file("/usr/sbin/nginx").size > 0 ? "/usr/sbin/nginx" : null);
if (!nginx) console.log("skipped: the dashboard behind a proxy, because nginx is not installed");

/** A relay and its page, at a path. */
function start(dashboard = "/") {
  return boot(["relay", "web"], { name: "here", web: { dashboard } }, { token: TOKEN, clock });
}

describe.skipIf(!BROWSER)("the dashboard in eight tabs", () => {
  let server: Awaited<ReturnType<typeof start>>;
  const tabs: Tab[] = [];
  beforeAll(async () => {
    server = await start();
  });
  afterAll(async () => {
    for (const tab of tabs) tab.view.close();
    await server?.stop();
  });

  /** Marks a tab as hidden or shown, which a browser without windows never does. */
  const hide = (tab: Tab, isHidden: boolean) =>
    tab.get(`(() => {
      Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    })()`);

  test("goes on in the one that is seen, and acts there", async () => {
    const peer = await server.join();
    for (let i = 0; i < 8; i++) {
      if (i > 0) await hide(tabs[i - 1] as Tab, true);
      const tab = await Tab.open(server.url("/"));
      tabs.push(tab);
      await tab.see(STATUS, "ok");
    }
    const last = tabs[7] as Tab;
    await until(() => server.stats("web")["streams"] === 1);
    await last.signIn();
    await last.go("clients");
    await last.see("document.querySelectorAll('#rows .kick').length", 1);
    const kick = "#rows [data-key^='relay/'] .kick";
    await last.click(kick);
    await last.see(text(kick), "Sure?");
    await last.click(kick);
    expect(await peer.next()).toContain("by an operator");
    // The others know of it, though they have no stream.
    await (tabs[0] as Tab).see("document.title", "OK · 0 clients · here");
    await hide(last, true);
    await hide(tabs[0] as Tab, false);
    await (tabs[0] as Tab).see(stat("relay.clients"), 0);
    await until(() => server.stats("web")["streams"] === 1);
  });
});

describe.skipIf(!BROWSER || !nginx)("the dashboard behind nginx, below a prefix", () => {
  const folder = mkdtempSync(join(tmpdir(), "summoner-nginx-"));
  const children: Bun.Subprocess[] = [];
  afterAll(async () => {
    for (const child of children) {
      child.kill();
      await child.exited;
    }
    rmSync(folder, { recursive: true });
  });

  /** Starts nginx with `/ops/` for a port. @returns its own port */
  async function proxy(to: number): Promise<number> {
    const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = probe;
    probe.stop(true);
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(" ");
    writeFileSync(
      join(folder, "nginx.conf"),
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr;
      events {}
      http {
        access_log off; ${paths}
        server {
          listen 127.0.0.1:${port};
          location /ops/ { proxy_pass http://127.0.0.1:${to}/; proxy_http_version 1.1; }
        }
      }`,
    );
    const cmd = [nginx as string, "-p", folder, "-c", join(folder, "nginx.conf")];
    children.push(Bun.spawn(cmd, { stdin: "ignore", stdout: "ignore", stderr: "ignore" }));
    for (;;) {
      const peer = await dial(port).catch(() => null);
      peer?.end();
      if (peer) return port;
    }
  }

  test.each(["/", "/board", "/all/of/it/"])(
    "has all its parts, and its events as they happen, at %s",
    async (path) => {
      const server = await start(path);
      const port = await proxy(server.port("web"));
      const tab = await Tab.open(`http://127.0.0.1:${port}/ops${path}`);
      await tab.see(STATUS, "ok");
      const peer = await server.join();
      await tab.see(stat("relay.clients"), 1);
      await tab.signIn();
      await tab.go("clients");
      await tab.see("document.querySelector('#rows button') !== null");
      expect(
        tab.requests.filter((url) => !url.startsWith(`http://127.0.0.1:${port}/ops/`)),
      ).toEqual([]);
      expect(tab.troubles).toEqual([]);
      tab.view.close();
      peer.end();
      await server.stop();
      for (const child of children.splice(0)) {
        child.kill();
        await child.exited;
      }
    },
  );
});
