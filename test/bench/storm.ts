import type { Bench } from "./contest.ts";

/** Clients that stall, reset and reconnect while they are sent to, by each way that sends leave; every byte is checked. */
export async function sendStorm({ report, smoke }: Bench): Promise<void> {
  // They open a ring, which no other scenario shall have open.
  const [{ storm }, { hasRing }] = await Promise.all([import("../storm.ts"), import("../kit.ts")]);
  const seconds = smoke ? 0.5 : 60;
  for (const io of hasRing ? (["writes", "uring"] as const) : (["writes"] as const)) {
    report.scenario(`storm: 200 clients for ${seconds} s, by ${io}`);
    const end = performance.now() + seconds * 1000;
    const seed = Math.floor(performance.timeOrigin);
    const told = await storm(io, { seed, goesOn: () => performance.now() < end });
    const { bytes, connections, resets, others, signals, wrong, inFiles, elsewhere } = told;
    report.note(
      `${(bytes / 1e6).toFixed(1)} MB over ${connections} connections, ${resets} resets, ${others} times descriptors changed hands, ${signals} signals; seed ${seed}`,
    );
    for (const where of wrong) report.error(`${io}: a wrong byte at ${where}`);
    if (inFiles > 0) report.error(`${io}: ${inFiles} bytes in files`);
    if (elsewhere > 0) report.error(`${io}: ${elsewhere} bytes at another door`);
  }
}
