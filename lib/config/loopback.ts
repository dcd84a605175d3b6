/** True for a loopback address, which only this machine can reach. */
export function isLoopback(ip: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(ip) || ip === "::1";
}

/** True if a host to listen on, or a name in a request, means only this machine. */
export function meansLoopback(host: string): boolean {
  return isLoopback(host) || host.toLowerCase() === "localhost";
}

/** The address at which this machine reaches a server that listens on `host`. */
export function reachedAt(host: string): string {
  return host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
}
