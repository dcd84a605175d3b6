import type { CloseReason } from "../../net/client.ts";

const line = (reason: CloseReason, message: string) =>
  `${JSON.stringify({ event: "closed", reason, message })}\n`;

/** The last line that a client gets when it is turned away or closed, by why. */
export const NOTICES = {
  limit: line("limit", "the server has too many clients; try again later"),
  perAddress: line("limit", "there are too many clients from your address"),
  denied: line("denied", "your address may not connect"),
  token: line("denied", "your token is not valid any more"),
  idle: line("idle", "you have sent nothing for too long"),
  slow: line("slow", "you do not take what you are sent"),
  kicked: line("kicked", "an operator closed the connection"),
  shutdown: line("shutdown", "the server is stopping"),
} as const;

export type Notices = Readonly<Record<keyof typeof NOTICES, string>>;

/** Where everything is sent back, no line is the server's own. */
export const NO_NOTICES: Notices = {
  limit: "",
  perAddress: "",
  denied: "",
  token: "",
  idle: "",
  slow: "",
  kicked: "",
  shutdown: "",
};
