import { Fleet } from "./fleet.ts";
import type { Answer, Order, Setup } from "./generator.ts";
import { runLoad } from "./loads.ts";
import { wires } from "./wire.ts";

const SAMPLED_LISTENERS = 10;

let fleet: Fleet | null = null;
let setup: Setup | null = null;

async function obey(order: Order): Promise<Answer> {
  if ("setup" in order) {
    setup = order.setup;
    fleet = new Fleet(wires[setup.wire], setup.ports);
    const publishers = setup.apart ? setup.ports.length : 1;
    await fleet.open(setup.listeners, setup.publisher ? publishers : 0);
    if (setup.gathers) await fleet.gather();
    return { ready: true };
  }
  if (fleet === null || setup === null) return { error: "no setup came first" };
  const every = Math.max(1, Math.floor(fleet.listeners.length / SAMPLED_LISTENERS));
  const sampled = fleet.listeners.filter((_, i) => i % every === 0);
  for (const member of sampled) {
    member.samples = order.load.kind === "paced" ? [] : null;
  }
  return { outcome: await runLoad(fleet, order.load, setup) };
}

process.on("message", (order: Order) => {
  obey(order).then(
    (answer) => process.send?.(answer),
    (error: unknown) =>
      process.send?.({
        error: error instanceof Error ? error.message : String(error),
      }),
  );
});
process.on("disconnect", () => process.exit(0));
