/** An answer in a sentence. */
export function plain(
  status: number,
  sentence: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  // Bun would add a type of its own, but not to an answer to HEAD.
  const type = { "content-type": "text/plain; charset=utf-8" };
  return new Response(`${sentence}\n`, { status, headers: { ...headers, ...type } });
}
