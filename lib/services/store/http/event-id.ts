/** A place in the changes of keys: the run of the server that has numbered them, and a number. */
export interface Place {
  readonly epoch: string;
  readonly seq: number;
}

/** The id that an event of a watch has, which its client comes back with. */
export function idOf({ epoch, seq }: Place): string {
  return `${epoch}-${seq}`;
}

/** The place that an id tells; null for what no server has sent. */
export function placeOf(id: string): Place | null {
  const [, epoch, seq] = /^([0-9a-f]{1,64})-(\d{1,15})$/.exec(id) ?? [];
  return epoch === undefined ? null : { epoch, seq: Number(seq) };
}

/** A line of the wire as an event of that name. @param id null for one that nobody comes back with */
export function eventOf(line: string, id: string | null): string {
  const name = /^\{"event":"([a-z]+)"/.exec(line)?.[1];
  return `event: ${name}\n${id === null ? "" : `id: ${id}\n`}data: ${line}\n`;
}

/** Tells a place alone: a client takes it as that of the last event, and hears nothing of it. */
export function placeEvent(place: Place): string {
  return `id: ${idOf(place)}\n\n`;
}
