import type { Clock } from "../../../../../host/clock.ts";
import { StartError } from "../../../../../host/errors.ts";
import { type Joined, joinedIn, type Taken } from "./joined.ts";
import { addressIn } from "../nodes/nodes.ts";

/** Milliseconds between two looks whether a name is free. */
const LOOK_MS = 250;

/**
 * Joins a room under a name.
 * @param isStrict true if the name must be this one; otherwise it may be told apart from that of another node
 * @param ask gives the order to join; "strict" or ""
 * @throws StartError when another node has the name
 */
export async function joinRoom(
  room: string,
  name: string,
  isStrict: boolean,
  clock: Clock,
  ask: (strict: string) => Promise<unknown>,
): Promise<Joined> {
  let first: Taken | null = null;
  for (;;) {
    const answer = joinedIn(await ask(isStrict ? "strict" : ""));
    if (!("told" in answer)) return answer;
    // A node that has just been killed keeps its name until it has been silent for long enough.
    if (first !== null && first.at !== answer.at) throw taken(room, name, answer);
    first ??= answer;
    await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve));
  }
}

function taken(room: string, name: string, { told }: Taken): StartError {
  const message = `there is a node ${name} in the room ${room} already, at ${addressIn(told)}; each needs a name of its own`;
  return new StartError([{ key: "cluster.node", message }]);
}
