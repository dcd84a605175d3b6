import type { Server, ServerWebSocket, WebSocketHandler } from "bun";
import type { ClientOptions, ClientSession } from "../services/neuro/session/client.ts";
import { decode } from "../services/neuro/codec/decode.ts";
import { MOST_GAMES } from "../services/neuro/protocol.ts";

/** A session, or more of one, which is told that its connection has ended. */
export type SocketSession = ClientSession & { disconnected?(): void };

/** The sessions of a connection, by the names of their games. */
interface Connection {
  readonly sessions: Map<string, SocketSession>;
}

/** Carries sessions over WebSockets: give both parts to `Bun.serve`. */
export interface GameSockets {
  fetch(request: Request, server: Server<Connection>): Response | undefined;
  readonly websocket: WebSocketHandler<Connection>;
}

/** @param create makes the session of a game that has said something for the first time */
export function gameSockets(create: (options: ClientOptions) => SocketSession): GameSockets {
  const sessionOf = (socket: ServerWebSocket<Connection>, game: string) => {
    const { sessions } = socket.data;
    let session = sessions.get(game);
    if (session === undefined && sessions.size < MOST_GAMES) {
      session = create({ game, write: (frame) => void socket.sendText(frame) });
      sessions.set(game, session);
    }
    return session;
  };
  return {
    fetch(request, server) {
      if (server.upgrade(request, { data: { sessions: new Map() } })) return undefined;
      return new Response("This is for WebSockets.\n", { status: 426 });
    },
    websocket: {
      idleTimeout: 0,
      message(socket, frame) {
        const { commands, diagnostics } = decode(frame);
        const [first] = commands;
        for (const command of commands) sessionOf(socket, command.game)?.take(command);
        const told = socket.data.sessions.get(first?.game ?? "");
        for (const diagnostic of diagnostics) told?.tell(diagnostic);
      },
      close(socket) {
        for (const session of socket.data.sessions.values()) session.disconnected?.();
      },
    },
  };
}
