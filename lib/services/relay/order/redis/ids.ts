/** True if one id of the stream comes after another. */
export function isAfter(one: string, other: string): boolean {
  const [time, count] = partsOf(one);
  const [otherTime, otherCount] = partsOf(other);
  return time > otherTime || (time === otherTime && count > otherCount);
}

function partsOf(id: string): [time: number, count: number] {
  const dash = id.indexOf("-");
  return [Number(id.slice(0, dash)), Number(id.slice(dash + 1))];
}
