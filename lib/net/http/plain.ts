/** An answer of one sentence, as plain text. */
export function plain(
  status: number,
  sentence: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  // Without this Bun adds a type by itself, but not to an answer to HEAD.
  const type = { "content-type": "text/plain; charset=utf-8" };
  return new Response(`${sentence}\n`, { status, headers: { ...headers, ...type } });
}
