/** What is taken where the system does not tell: Windows has no such limit. */
const UNTOLD = process.platform === "win32" ? 16_384 : 1024;
const UNLIMITED = 1_048_576;

let known = 0;

/** How many files this process may have open; Bun has raised it as far as the system lets it. */
export function fileLimit(): number {
  known ||= readFileLimit();
  return known;
}

function readFileLimit(): number {
  const { userLimits } = process.report.getReport() as {
    userLimits?: { open_files?: { soft: number | "unlimited" } };
  };
  const soft = userLimits?.open_files?.soft ?? UNTOLD;
  return soft === "unlimited" ? UNLIMITED : soft;
}
