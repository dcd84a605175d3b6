import { onTestFinished } from "bun:test";

/** A request as a store of the test's own hears it. */
export interface Heard {
  readonly action: string;
  readonly [name: string]: unknown;
}

/**
 * A server of the test's own that answers line by line, with all of a list;
 * null ends the connection, undefined says nothing. @returns its port
 */
export function answering(
  answer: (request: Heard, connection: number, say: (line: object) => void) => object | null | void,
): number {
  let connections = 0;
  const server = Bun.listen<{ number: number; rest: string }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.data = { number: ++connections, rest: "" };
      },
      data(socket, bytes) {
        const lines = (socket.data.rest + bytes.toString()).split("\n");
        socket.data.rest = lines.pop() as string;
        const say = (one: object) => void socket.write(`${JSON.stringify(one)}\n`);
        for (const line of lines) {
          const answered = answer(JSON.parse(line), socket.data.number, say);
          if (answered === undefined) continue;
          if (answered === null) return void socket.end();
          const all = Array.isArray(answered) && answered.length > 0 ? answered : [answered];
          socket.write(all.map((one) => `${JSON.stringify(one)}\n`).join(""));
        }
      },
    },
  });
  onTestFinished(() => server.stop(true));
  return server.port;
}
