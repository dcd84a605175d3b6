import { join } from "node:path";
import { type Disk, removeSync, syncFolderSync, writeAllSync } from "../../../host/disk.ts";
import { journalName, type Link, MANIFEST, markName, snapshotName, START } from "./format.ts";
import { type Manifest, type Salvaged, writeManifestSync } from "./manifest.ts";
import { Mark } from "./mark.ts";
import { journalLine } from "./read/read-journals.ts";
import { SnapshotText } from "./snapshot.ts";
import { copy, retire } from "./read/settle.ts";
import type { Survey } from "./read/survey.ts";

/** Slices of records: the next with each call, null at the end. */
export type Slices = () => string | null;

/** Makes the first files of an empty folder. @throws the system's error */
export function begin(survey: Survey): Manifest {
  const { disk, folder } = survey;
  for (const name of survey.leftovers) removeSync(disk, join(folder, name));
  const id = newId();
  return base(disk, folder, { id, snapshot: null, journals: [1], mark: 1 }, START);
}

/**
 * Puts a snapshot of all that was read in the place of the files of a folder.
 * Until the manifest names it, the files before are in force; from then on they
 * are only to be removed, or with `salvaged` to be moved to a folder of their own.
 * @throws the system's error
 */
export function rebase(survey: Survey, slices: Slices, salvaged: Salvaged | null): Manifest {
  const { disk, folder } = survey;
  const generation = survey.generation + 1;
  const after: Link = { number: survey.highest, crc: 0 };
  const id = salvaged === null ? newId() : (survey.manifest?.id ?? newId());
  const to = salvaged === null ? null : keepingFolder(survey);
  writeSnapshotSync(
    disk,
    join(folder, snapshotName(generation)),
    { id, generation, after },
    slices,
  );
  const names = survey.names.filter((name) => name !== MANIFEST);
  const files = { id, snapshot: generation, journals: [generation], mark: generation };
  const manifest = { ...files, retired: { names, to }, ...(salvaged && { salvaged }) };
  return retire(disk, folder, base(disk, folder, manifest, after));
}

/** Makes the journal and the mark that a manifest names, and then the manifest. */
function base(disk: Disk, folder: string, manifest: Manifest, after: Link): Manifest {
  const [generation] = manifest.journals as [number];
  const fd = disk.openSync(join(folder, journalName(generation)), "w");
  try {
    writeAllSync(disk, fd, Buffer.from(journalLine(manifest.id, generation)), 0);
    disk.fdatasyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
  Mark.make(disk, join(folder, markName(generation)), manifest.id, after);
  syncFolderSync(disk, folder);
  writeManifestSync(disk, folder, manifest);
  return manifest;
}

/** Makes a folder that is not there yet for the damaged files, with a copy of the manifest. @returns its name */
function keepingFolder({ disk, folder, names }: Survey): string {
  const taken = new Set(disk.readdirSync(folder));
  let n = 1;
  while (taken.has(`damaged-${n}`)) n++;
  const to = `damaged-${n}`;
  disk.mkdirSync(join(folder, to), { recursive: true });
  if (names.includes(MANIFEST)) copy(disk, join(folder, MANIFEST), join(folder, to, MANIFEST));
  syncFolderSync(disk, join(folder, to));
  return to;
}

function writeSnapshotSync(
  disk: Disk,
  path: string,
  { id, generation, after }: { id: string; generation: number; after: Link },
  slices: Slices,
): void {
  const fd = disk.openSync(path, "w");
  try {
    const text = new SnapshotText(id, generation, after);
    let at = 0;
    for (let bytes: Buffer | null = text.head; bytes !== null; bytes = text.next(slices)) {
      writeAllSync(disk, fd, bytes, at);
      at += bytes.length;
    }
    disk.fdatasyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
}

/** A new id of a folder. */
export function newId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}
