/** The print width of `bun fmt` in columns, which does not pad a table that would be wider. */
const WIDTH = 100;

/** A table in the form of `bun fmt`: its columns are padded to one width if that fits into a line. */
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
