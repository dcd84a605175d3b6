import type { Socket } from "bun";
import { systemClock } from "../../host/clock.ts";
import { messageOf } from "../../host/errors.ts";
import { addressText } from "../../host/service.ts";
import { type LinkOptions, StoreDisconnected } from "./options.ts";

/** What the owner of a connection does when something happens. */
export interface Dialled {
  /** It is there, and the certificate is that of the right server. */
  opened(socket: Socket): void;
  data(bytes: Buffer): void;
  /** The system takes bytes again. */
  drained(): void;
  /** It has ended, or cannot be had. Nothing follows. */
  over(why: Error): void;
  /** The certificate is not that of the right server. Nothing follows. */
  doubted(why: Error): void;
}

/** A connection that has been asked for. */
export interface Dial {
  /** The client has been let in. */
  settled(): void;
  /** Ends it at once. */
  abandon(why: Error): void;
}

const PATIENCE_MS = 10_000;

export const addressOf = ({ host = "127.0.0.1", port = 8890 }: LinkOptions) =>
  addressText(host, port);

/** The error that there is no store. */
export function none(options: LinkOptions, why: string): StoreDisconnected {
  return new StoreDisconnected(`no store on ${addressOf(options)}: ${why}`);
}

/** The error that the store has closed the connection. */
export function closed(options: LinkOptions, said = ""): StoreDisconnected {
  return new StoreDisconnected(`${addressOf(options)} has closed the connection${said}`);
}

/** Connects; over after `patienceMs` milliseconds, unless it is settled by then. */
export function dial(options: LinkOptions, owner: Dialled): Dial {
  const { host = "127.0.0.1", port = 8890, tls, patienceMs = PATIENCE_MS } = options;
  let isOver = false;
  let opened: Socket | null = null;
  const ended = (tell: () => void) => {
    if (isOver) return;
    isOver = true;
    stopWaiting();
    tell();
  };
  const over = (why: Error) => ended(() => owner.over(why));
  const abandon = (why: Error) => {
    over(why);
    opened?.terminate();
  };
  const stopWaiting = (options.clock ?? systemClock).after(patienceMs, () =>
    abandon(none(options, `no answer within ${patienceMs / 1000} s`)),
  );
  const begin = (socket: Socket) => {
    opened = socket;
    if (isOver) socket.end();
    else owner.opened(socket);
  };
  Bun.connect({
    hostname: host,
    port,
    ...(tls ? { tls } : {}),
    socket: {
      open(socket) {
        const header = options.header?.(socket) ?? "";
        if (header !== "") socket.write(header);
        if (!tls) begin(socket);
      },
      handshake(socket, _done, error) {
        const doubt = doubtOf(options, socket, error);
        if (doubt === null) begin(socket);
        else {
          socket.end();
          ended(() => owner.doubted(none(options, doubt)));
        }
      },
      data(_socket, bytes) {
        if (!isOver) owner.data(bytes);
      },
      drain: () => owner.drained(),
      close: () => over(new StoreDisconnected(`${addressOf(options)} has closed the connection`)),
      error() {},
    },
  }).catch((error) => {
    const isNobody = error.code === "ECONNREFUSED";
    over(none(options, isNobody ? "nobody listens there" : messageOf(error)));
  });
  return { settled: stopWaiting, abandon };
}

/** The reason not to take a server for the right one, or null. */
function doubtOf({ tls, doubt }: LinkOptions, socket: Socket, error: Error | null): string | null {
  if (doubt) return doubt(socket, error);
  const takesAny = typeof tls === "object" && tls.rejectUnauthorized === false;
  return error && !takesAny ? `its certificate is not accepted: ${error.message}` : null;
}
