import { createHash } from "node:crypto";
import { inputText } from "../../config/input.ts";
import { reasonOf } from "../../config/reason.ts";
import { StartError } from "../../host/errors.ts";

/** The fewest characters of a token, so that guessing is hopeless. */
export const TOKEN_LENGTH = 16;
const tooShort = (what: string) => `a ${what} has at least ${TOKEN_LENGTH} characters`;

/**
 * The token on the first line of a file.
 * @param key the setting that names the file, as `web.token_file`
 * @param what it is called, in an error
 * @throws StartError when the file cannot be read or the token is too short
 */
export function tokenIn(file: string, key: string, what = "token"): string {
  let text: string;
  try {
    text = inputText(file);
  } catch (error) {
    throw new StartError([{ key, message: `cannot read ${file}: ${reasonOf(error)}` }]);
  }
  const token = (text.split("\n")[0] as string).trim();
  if (token.length >= TOKEN_LENGTH) return token;
  throw new StartError([{ key, message: `${file}: ${tooShort(what)}` }]);
}

/** The token of a variable of the environment. @throws StartError when it is too short */
export function tokenInVariable(name: string, token: string): string {
  if (token.length >= TOKEN_LENGTH) return token;
  throw new StartError([
    { key: name, where: "environment", message: `${name}: ${tooShort("token")}` },
  ]);
}

/** The digest by which a token is kept and compared: all have one length, and tell nothing about the token. */
export function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
