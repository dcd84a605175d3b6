import { type Kind, QUIET, redis, relay } from "./servers.ts";

type Ours = NonNullable<ReturnType<typeof relay>>;

function ours(kind: Kind | null): Ours {
  if (kind === null) throw new Error("there is no index.ts to measure");
  return kind;
}

/** One relay with one thread. */
export function alone(folder: string): Kind {
  return ours(relay(folder));
}

/** One relay with two threads. */
export function threads(folder: string): Kind {
  const kind = ours(relay(folder, "threads", `worker_threads = 2\n${QUIET}`));
  return {
    ...kind,
    terms: `${kind.terms}; two threads`,
    start: async (listeners) => ({ ...(await kind.start(listeners)), gathers: true }),
  };
}

/**
 * Two relays that share nothing, each with half the listeners and a publisher
 * of its own: what it costs that two processes send, without any order.
 */
export function apart(folder: string): Kind {
  const each = ["left", "right"].map((name) => ours(relay(folder, name, QUIET)));
  return {
    name: "apart",
    wire: "relay",
    terms: "two relays with nothing between them, each message published to both",
    ours: true,
    start: async (listeners) => {
      const [first, second] = await Promise.all(each.map((kind) => kind.start(listeners)));
      if (first === undefined || second === undefined) throw new Error("two relays were wanted");
      return { ...first, more: [second], apart: true };
    },
  };
}

/** Two relays whose order is a stream on a redis-server; null where there is none. */
export function nodes(folder: string): Kind | null {
  const engine = redis(folder);
  if (engine === null) return null;
  return {
    name: "nodes",
    wire: "relay",
    terms: "two nodes of one thread, their order on a redis-server without persistence",
    ours: true,
    start: async (listeners) => {
      const order = await engine.start(0);
      const url = `redis://127.0.0.1:${order.port}`;
      const more = `${QUIET}[cluster]\nurl = "${url}"\n`;
      const each = ["one", "two"].map((node) =>
        ours(relay(folder, node, `${more}node = "${node}"\n`)),
      );
      const [first, second] = await Promise.all(each.map((kind) => kind.start(listeners)));
      if (first === undefined || second === undefined) throw new Error("two nodes were wanted");
      return { ...first, more: [second], order: order.process, gathers: true };
    },
  };
}
