/** `45 s`, `3 min 5 s`, `2 h 10 min`, `5 d 3 h`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return "0 s";
  let left = whole;
  const parts = units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return [count, unit] as const;
  });
  return parts
    .filter(([count], i) => i === 0 || count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** `999`, `1.2 k`, `34 k`, `5.6 M`: three digits at most. */
export function rough(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  let unit = 0;
  let scaled = value;
  while (Math.abs(scaled) >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const digits = scaled !== 0 && Math.abs(scaled) < 9.95 && (unit > 0 || scaled % 1 !== 0) ? 1 : 0;
  return scaled.toFixed(digits) + (units[unit] as string);
}

/** `512 B`, `1.2 kB`, `34 MB`. */
export function bytes(value: number): string {
  const text = rough(value);
  return `${text}${text.includes(" ") ? "" : " "}B`;
}

/** A number for a person: bytes and seconds are scaled and have a unit, counts do not. */
export function measured(value: number, unit: string): string {
  if (unit === "bytes") return bytes(value);
  if (unit === "seconds") return value < 1 ? `${(value * 1000).toFixed(1)} ms` : duration(value);
  return rough(value);
}
