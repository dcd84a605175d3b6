/** Columns of a line; a table that would be wider is not padded. It is the print width of `bun fmt`. */
const WIDTH = 100;

/** A table as `bun fmt` leaves it: its columns padded to one width where that fits into a line. */
export function markdownTable(rows: readonly string[][]): string[] {
  const cells = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const [head, ...body] = cells as [string[], ...string[][]];
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => (row[column] as string).length)),
  );
  const padded = widths.reduce((sum, width) => sum + width + 3, 1) <= WIDTH;
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, column) => (padded ? cell.padEnd(widths[column] as number) : cell)).join(" | ")} |`;
  return [
    line(head),
    line(widths.map((width) => "-".repeat(padded ? width : 3))),
    ...body.map(line),
  ];
}
