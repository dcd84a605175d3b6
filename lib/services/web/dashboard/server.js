// The server's address: the page may be under any path and, behind a proxy, under any prefix.

const ROOT = new URL("../", import.meta.url);

/** The address of a path of the server, given without a slash before it. */
export const at = (path) => new URL(path, ROOT).href;
