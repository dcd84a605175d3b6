/** Whether an address is this machine alone. */
export function isLoopback(ip: string): boolean {
  return /^127\.\d+\.\d+\.\d+$/.test(ip) || ip === "::1";
}

/** Whether a host to listen on, or a name in a request, means this machine alone. */
export function meansLoopback(host: string): boolean {
  return isLoopback(host) || host.toLowerCase() === "localhost";
}
