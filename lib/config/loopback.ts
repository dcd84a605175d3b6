/** Whether an address is this machine alone. */
export function isLoopback(ip: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(ip) || ip === "::1";
}

/** Whether a host to listen on, or a name in a request, means this machine alone. */
export function meansLoopback(host: string): boolean {
  return isLoopback(host) || host.toLowerCase() === "localhost";
}

/** The address to reach a server at from this machine, when it listens on `host`. */
export function reachedAt(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}
