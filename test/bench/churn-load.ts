import type { Fleet } from "./fleet.ts";
import { paced, type Text } from "./loads.ts";

const BYSTANDER_MESSAGES_PER_SECOND = 200;
const LIMIT_MS = 300_000;

/**
 * Opens and closes `connections` clients, at most `concurrency` at a time,
 * politely and by reset in turn, while the fleet's own clients exchange
 * messages. Resolves with the deliveries to the fleet's listeners.
 */
export async function churn(
  fleet: Fleet,
  load: { connections: number; concurrency: number },
  text: Text,
): Promise<number> {
  let over = false;
  let left = load.connections;
  const comeAndGo = async (): Promise<void> => {
    while (left > 0) {
      const polite = left % 2 === 0;
      left--;
      await oneVisit(fleet.ports[0] as number, polite);
    }
  };
  const visitors = Promise.all(Array.from({ length: load.concurrency }, comeAndGo));
  const bystanders = paced(
    fleet,
    {
      perSecond: BYSTANDER_MESSAGES_PER_SECOND,
      over: () => over,
      limitMs: LIMIT_MS,
    },
    text,
  );
  const [deliveries] = await Promise.all([
    bystanders,
    visitors.finally(() => {
      over = true;
    }),
  ]);
  return deliveries;
}

async function oneVisit(port: number, polite: boolean): Promise<void> {
  const gone = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data() {}, close: () => gone.resolve(), error() {} },
  });
  if (polite) socket.end();
  else socket.terminate();
  await gone.promise;
}
