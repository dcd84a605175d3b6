import * as fs from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../../../config/table.ts";
import { reasonOf } from "../../../config/reason.ts";
import { type Fault, faultsIn } from "../../../host/errors.ts";
import { fileTrouble, folderTrouble } from "../../../host/files/folder.ts";
import { hashKeyIn } from "../chain.ts";
import { checkLastLine } from "./read/last-line.ts";
import { checkMarks } from "./marks.ts";

/** What a start would say of the file, of those beside it and of the key of its hashes. Changes nothing. */
export function logFaults({ collector: own }: Config): readonly Fault[] {
  const trouble = troubleWith(own.path);
  return [
    ...(trouble === null ? [] : [{ key: "collector.path", message: trouble }]),
    ...(own.hash_chain ? faultsIn(() => hashKeyIn(own.hash_key_file)) : []),
  ];
}

function troubleWith(path: string): string | null {
  const folder = dirname(path);
  const why = folderTrouble(folder);
  if (why !== null) return `cannot write ${folder}: ${why}`;
  for (const one of [path, `${path}.lock`, `${path}.marks`, `${path}.torn`]) {
    const trouble = fileTrouble(one, "write");
    if (trouble !== null) return `cannot use ${one}: ${trouble}`;
  }
  try {
    checkLastLine(fs, path);
    checkMarks(fs, `${path}.marks`);
    return null;
  } catch (error) {
    return `cannot use ${path}: ${reasonOf(error)}`;
  }
}
