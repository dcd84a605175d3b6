import { expect, onTestFinished } from "bun:test";
import { type Answer, ask, boot, type Booted, heard, type Peer } from "./kit.ts";

/** The store of the test that runs. */
export let server: Booted;

export const stat = (name: string) => server.stats()[name] as number;

/** Starts a store for one test. @returns its clients */
export async function joined(count: number, section: object = {}): Promise<Peer[]> {
  server = await boot("store", { store: section });
  onTestFinished(() => server.stop());
  const peers: Peer[] = [];
  for (let i = 0; i < count; i++) peers.push(await server.join());
  return peers;
}

/** Two clients: one to publish, one to listen. */
export const two = (section: object = {}) => joined(2, section) as Promise<[Peer, Peer]>;

export async function result(peer: Peer, request: object): Promise<any> {
  const answer = await ask(peer, request);
  if (answer["error"]) throw new Error(JSON.stringify(answer));
  return answer["result"];
}

export const code = async (peer: Peer, request: object) =>
  (await ask(peer, request))["error"]?.code;
export const subscribe = (peer: Peer, channel: string, more: object = {}) =>
  result(peer, { action: "SUBSCRIBE", channel, ...more });
export const watch = (peer: Peer, keys: string) => result(peer, { action: "SUBSCRIBE", keys });
export const publish = (peer: Peer, channel: string, value: unknown = 0) =>
  result(peer, { action: "PUBLISH", channel, value });
export const message = (channel: string, seq: number, value: unknown = 0) => ({
  event: "message",
  channel,
  seq,
  value,
});

/** Expects that nothing has come to a client of all that was sent before. */
export async function nothingFor(peer: Peer): Promise<void> {
  expect(await ask(peer, { action: "PING" })).toEqual({ result: "PONG" });
}

/** The events that a client gets when it comes back to a channel after some message. */
export async function catchUp(channel: string, since: number, epoch?: string) {
  const peer = await server.join();
  const told = await subscribe(peer, channel, { since, ...(epoch ? { epoch } : {}) });
  const events: Answer[] = [];
  for (let i = 0; i < told.replayed; i++) events.push(await heard(peer));
  await nothingFor(peer);
  peer.end();
  return { ...told, seqs: events.map(({ seq }) => seq), events };
}
