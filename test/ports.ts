import { createServer, type Server } from "node:net";

/**
 * A port on which nobody listens at any of these addresses. It is below those
 * that the system hands out by itself, so that nobody gets it before it is used.
 */
export async function freePort(...hosts: readonly string[]): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    const servers: Server[] = [];
    const isFree = async (host: string) => {
      const server = createServer();
      servers.push(server);
      return new Promise<boolean>((resolve) => {
        server.once("error", () => resolve(false));
        server.listen(port, host, () => resolve(true));
      });
    };
    const free = await Promise.all((hosts.length > 0 ? hosts : ["127.0.0.1"]).map(isFree));
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    if (!free.includes(false)) return port;
  }
}
