/** The look of headings, code and links. */
export interface Style {
  heading(text: string): string;
  code(text: string): string;
  link(text: string, target: string): string;
}

/** The narrowest last column of a table, in characters, that is worth breaking. */
const NARROWEST = 30;

/**
 * Sets the Markdown of the pages for a terminal: headings, paragraphs, lists, tables and code.
 * Comments are left out.
 * @param width columns of a line
 */
export function typeset(text: string, width: number, style: Style): string {
  const out: string[] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string;
    if (line.startsWith("```")) {
      const end = lines.indexOf("```", at + 1);
      out.push(...lines.slice(at + 1, end).map((code) => `    ${code}`.trimEnd()));
      at = end;
    } else if (line.startsWith("|")) {
      const rows = lines.slice(
        at,
        lines.findIndex((one, i) => i > at && !one.startsWith("|")),
      );
      out.push(...table(rows, width, style));
      at += rows.length - 1;
    } else if (line.startsWith("#")) out.push(style.heading(line.replace(/^#+ /, "")));
    else if (line.startsWith("- ")) out.push(...wrapped(inline(line, style), width, "  ", "    "));
    else if (line !== "") {
      if (!line.startsWith("<!--")) out.push(...wrapped(inline(line, style), width, "  ", "  "));
    } else if (out.at(-1) !== "") out.push("");
  }
  return `${out.join("\n").trimEnd()}\n`;
}

/** A line with its links and code in their style. */
function inline(line: string, { code, link }: Style): string {
  return line
    .replace(/\[((?:`[^`]*`|[^\]`])*)\]\(([^)]*)\)/g, (_, words: string, target: string) =>
      link(words, target),
    )
    .replaceAll("**", "")
    .replace(/`([^`]*)`/g, (_, words: string) => code(words));
}

function wrapped(text: string, width: number, first: string, indent: string): string[] {
  const lines = Bun.wrapAnsi(text, Math.max(1, width - indent.length)).split("\n");
  return lines.map((line, i) => (i === 0 ? first : indent) + line);
}

/** A table in columns if they fit, the last one broken; otherwise row by row, each cell after the head of its column. */
function table(rows: readonly string[], width: number, style: Style): string[] {
  const cells = rows.map((row) => {
    const inner = row.replace(/^\| /, "").replace(/ *\|$/, "");
    return inner
      .split(/(?<!\\)\|/)
      .map((cell) => inline(cell.trim().replaceAll("\\|", "|"), style));
  });
  const [head = [], , ...body] = cells;
  const widths = head.map((_, column) =>
    Math.max(...[head, ...body].map((row) => Bun.stringWidth(row[column] ?? ""))),
  );
  const left = widths.slice(0, -1).reduce((sum, one) => sum + one + 2, 2);
  if (width - left < Math.min(NARROWEST, widths.at(-1) as number)) {
    return body.flatMap((row) => [
      `  ${row[0]}`,
      ...row
        .slice(1)
        .flatMap((cell, i) =>
          cell === ""
            ? []
            : wrapped(row.length > 2 ? `${head[i + 1]}: ${cell}` : cell, width, "      ", "      "),
        ),
    ]);
  }
  return [head.map((cell) => style.heading(cell)), ...body].flatMap((row) => {
    const last = Bun.wrapAnsi(row.at(-1) as string, width - left).split("\n");
    return last.map((line, i) => {
      const before = row.slice(0, -1).map((cell, column) => {
        const shown = i === 0 ? cell : "";
        return shown + " ".repeat((widths[column] as number) + 2 - Bun.stringWidth(shown));
      });
      return `  ${before.join("")}${line}`.trimEnd();
    });
  });
}
