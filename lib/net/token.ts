import { createHash } from "node:crypto";
import { inputText } from "../config/input.ts";
import { reasonOf } from "../config/reason.ts";
import { StartError } from "../host/errors.ts";

/** Characters a token must have at least; guessing is hopeless then. */
export const TOKEN_LENGTH = 16;

/**
 * The token on the first line of a file.
 * @param key the setting that names the file, `web.token_file`
 * @throws StartError when the file cannot be read or the token is too short
 */
export function tokenIn(file: string, key: string): string {
  let text: string;
  try {
    text = inputText(file);
  } catch (error) {
    throw new StartError(`${key}: cannot read ${file}: ${reasonOf(error)}`);
  }
  return longEnough((text.split("\n")[0] as string).trim(), `${key} ${file}`);
}

/** @throws StartError when a token is too short; `where` it came from begins the message */
export function longEnough(token: string, where: string): string {
  if (token.length >= TOKEN_LENGTH) return token;
  throw new StartError(`${where}: a token has at least ${TOKEN_LENGTH} characters`);
}

/** What is kept of a token, and compared: digests have one length, and tell nothing of the token. */
export function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
