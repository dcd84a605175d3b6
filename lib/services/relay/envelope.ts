/**
 * The relay's wire format. A line is opaque text: it is escaped as a JSON
 * string into the envelope, never parsed, so numbers, spacing and text that is
 * not JSON reach every agent as they were sent.
 */

/** The beginning of every envelope. */
export const ENVELOPE_START = `{"remote_addr":`;

/** The beginning of every envelope of one sender. `address` is `ip:port`. */
export function envelopePrefix(address: string): string {
  return `${ENVELOPE_START}${JSON.stringify(address)},"content":`;
}

/** One line for the other clients. */
export function envelope(prefix: string, line: string): string {
  return `${prefix}${JSON.stringify(line)}}\n`;
}

/** True if `text` takes more than `maxBytes` in UTF-8. */
export function exceeds(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes at most three bytes, so short texts need no counting.
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes;
}

/** Lines of the server's own. Agents test for `Warning:`; each ends in a newline. */
export const NOTICES = {
  rate: "Warning: You are sending messages too quickly. Please slow down.\n",
  idle: "Warning: You have been disconnected due to inactivity.\n",
  shutdown: "Warning: Server is shutting down.\n",
  disconnected: "Warning: Server disconnected.\n",
  utf8: "Warning: Your line is not valid UTF-8 and was not sent.\n",
  unfinished: "Warning: You have been disconnected because of your unfinished lines.\n",
  slow: "Warning: You have been disconnected because you read too slowly.\n",
  kicked: "Warning: You have been disconnected by an operator.\n",
} as const;

export function oversizeNotice(maxBytes: number): string {
  return `Warning: Your line is too long and was not sent; with its envelope it may have ${maxBytes} bytes.\n`;
}

export function lostNotice(lines: number): string {
  const were = lines === 1 ? "1 line was" : `${lines} lines were`;
  return `Warning: ${were} lost; this server was cut off.\n`;
}

/** @param leftMs milliseconds until the quarantine ends */
export function quarantinedNotice(leftMs: number): string {
  const seconds = Math.max(1, Math.ceil(leftMs / 1000));
  return `Warning: You are in quarantine. Please come back in ${seconds} seconds.\n`;
}

/** @param cooldownSecs 0 when there is no quarantine */
export function pressureNotice(cooldownSecs: number): string {
  const rest = cooldownSecs > 0 ? ` Please come back in ${cooldownSecs} seconds.` : "";
  return `Warning: You have been disconnected because your messages go to too many clients.${rest}\n`;
}
