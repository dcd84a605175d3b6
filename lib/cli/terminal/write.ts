import { randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { inputBytes } from "../../config/input.ts";
import { reasonOf } from "../../config/reason.ts";
import { StartError } from "../../host/errors.ts";

/** A file to write. */
export interface NewFile {
  readonly path: string;
  readonly content: string;
  /** True if only the owner may read it. */
  readonly secret: boolean;
}

/** The content of a file, or null if there is none. @throws StartError when it cannot be read */
export function contentOf(path: string): string | null {
  try {
    return inputBytes(path).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new StartError(`cannot read ${path}: ${reasonOf(error)}`);
  }
}

/**
 * Writes all of these files or none of them. Each is replaced in one step.
 * @param known the content that one of them had when a person agreed to replace it
 * @throws StartError when that fails; then all files are as before
 */
export function writeFiles(
  files: readonly NewFile[],
  known: { readonly path: string; readonly content: string | null },
): void {
  if (contentOf(known.path) !== known.content) {
    throw new StartError(`${known.path} has changed meanwhile; nothing was written`);
  }
  const drafts: string[] = [];
  const before = new Map<string, Buffer | null>();
  let at = "";
  try {
    const moves = files.map((file) => {
      at = file.path;
      // A link stays a link; the file that it leads to is replaced.
      const target = existsSync(file.path) ? realpathSync(file.path) : file.path;
      // A rename would replace even a read-only file, which must stay as it is.
      if (existsSync(target)) accessSync(target, constants.W_OK);
      const draft = join(
        dirname(target),
        `.${basename(target)}.${randomBytes(4).toString("hex")}.tmp`,
      );
      drafts.push(draft);
      writeDraft(draft, file, target);
      return [draft, target] as const;
    });
    for (const [draft, target] of moves) {
      at = target;
      const old = existsSync(target) ? readFileSync(target) : null;
      renameSync(draft, target);
      before.set(target, old);
    }
  } catch (error) {
    for (const [target, old] of before) {
      if (old === null) rmSync(target, { force: true });
      else writeFileSync(target, old);
    }
    for (const draft of drafts) if (existsSync(draft)) rmSync(draft);
    throw new StartError(`cannot write ${at}: ${reasonOf(error)}; nothing was written`);
  }
}

function writeDraft(draft: string, { content, secret }: NewFile, target: string): void {
  const file = openSync(draft, "wx", secret ? 0o600 : 0o666);
  try {
    if (existsSync(target)) {
      const { mode, uid, gid } = statSync(target);
      const made = fstatSync(file);
      if (made.uid !== uid || made.gid !== gid) fchownSync(file, uid, gid);
      if (!secret) fchmodSync(file, mode & 0o7777);
    }
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
