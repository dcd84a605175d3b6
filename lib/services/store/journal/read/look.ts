import { basename } from "node:path";
import type { Disk } from "../../../../host/disk.ts";
import {
  MANIFEST,
  markName,
  named,
  journalName,
  snapshotName,
  type Link,
  START,
} from "../format.ts";
import { type Manifest, NEXT, readManifest } from "../manifest.ts";
import { readMark } from "../mark.ts";
import { isOldName, readOldFolder } from "./old-format.ts";
import { holdsBatches, JournalReader } from "./read-journals.ts";
import { looksWhole, readSnapshot } from "./read-snapshot.ts";
import { UNFINISHED } from "../snapshot.ts";
import { type Apply, Survey } from "./survey.ts";

/**
 * Reads all records of a folder in order and finds what is damaged, and what a
 * crash has left. What is whole behind damage is read too. Changes nothing.
 * @throws NewerError; the system's error when a file cannot be read
 */
export function look(disk: Disk, folder: string, apply: Apply): Survey {
  const survey = new Survey(disk, folder, apply);
  const all = disk.readdirSync(folder);
  survey.names = all.filter((name) => isOurs(name));
  survey.leftovers.push(...survey.names.filter((name) => name === NEXT || name === UNFINISHED));
  const files = new Files(survey);
  survey.generation = Math.max(0, ...files.journals, ...files.snapshots, ...files.marks);
  if (survey.names.includes(MANIFEST)) {
    survey.manifest = survey.reading(MANIFEST, () => {
      const found = readManifest(folder);
      if (found === null) survey.damaged(MANIFEST, "is damaged");
      return found;
    });
  } else if (!files.beginsFolder()) survey.damaged(MANIFEST, "is missing");
  if (survey.form === "old") readOldFolder(survey, files.old);
  if (survey.form !== "current") return survey;
  const { manifest } = survey;
  const isWhole = manifest !== null && files.fit(manifest);
  const plan = isWhole ? manifest : files.guess(manifest);
  read(survey, plan);
  return survey;
}

/** True for names of files that a journal makes, in this format or the one before. */
export function isOurs(name: string): boolean {
  const own = [MANIFEST, NEXT, UNFINISHED].includes(name);
  return own || named(name) !== null || isOldName(name);
}

/** The files to read; null where nothing tells. */
interface Plan extends Pick<Manifest, "snapshot" | "journals"> {
  readonly id: string | null;
  readonly mark: number | null;
}

function read(survey: Survey, { id, snapshot, journals, mark }: Plan): void {
  let after: Link | null = null;
  if (snapshot !== null) after = readSnapshot(survey, id, snapshot);
  else if (survey.manifest !== null && survey.damages.length === 0) after = START;
  survey.last = after;
  survey.highest = after?.number ?? 0;
  const known = mark === null ? null : markOf(survey, markName(mark), id);
  new JournalReader(survey, id, journals, known);
}

function markOf(survey: Survey, name: string, id: string | null): Link | null {
  if (id === null) return null;
  return survey.reading(name, (_, path) => {
    const found = readMark(path, id);
    if (found === null) survey.damaged(name, "is damaged, or of another folder");
    return found;
  });
}

/** The files of a folder, by their names. */
class Files {
  readonly journals: readonly number[];
  readonly snapshots: readonly number[];
  readonly marks: readonly number[];
  readonly old: readonly string[];
  readonly #survey: Survey;

  constructor(survey: Survey) {
    const of = (kind: string) =>
      survey.names
        .flatMap((name) => named(name) ?? [])
        .filter((file) => file.kind === kind)
        .map(({ generation }) => generation)
        .sort((a, b) => a - b);
    this.journals = of("journal");
    this.snapshots = of("snapshot");
    this.marks = of("mark");
    this.old = survey.names.filter(isOldName);
    this.#survey = survey;
  }

  /** Without a manifest: true for a folder of format 1, also one whose upgrade was broken off, and for one that nothing was written to yet. */
  beginsFolder(): boolean {
    const survey = this.#survey;
    const isUsed = this.journals.some((generation) =>
      holdsBatches(survey, journalName(generation)),
    );
    if (isUsed || (this.old.length === 0 && this.#tellsOfMore())) return false;
    survey.form = this.old.length > 0 ? "old" : "none";
    survey.leftovers.push(...this.#unnamed(new Set()));
    return true;
  }

  /** True if a snapshot was begun, or a mark knows of batches, which were in files that are gone. */
  #tellsOfMore(): boolean {
    const survey = this.#survey;
    const known = (generation: number) =>
      survey.reading(markName(generation), (_, path) => readMark(path, null))?.number ?? 0;
    return this.snapshots.length > 0 || this.marks.some((one) => known(one) > START.number);
  }

  /** True if the files are those of the manifest; the others are left over. Whatever else there is, is damage. */
  fit({ snapshot, journals, mark, retired }: Manifest): boolean {
    const survey = this.#survey;
    const names = new Set(journals.map(journalName)).add(markName(mark));
    if (snapshot !== null) names.add(snapshotName(snapshot));
    const before = survey.damages.length;
    const last = journals.at(-1) ?? 0;
    const gone = new Set(retired?.names ?? []);
    for (const name of this.#unnamed(new Set([...names, ...gone]))) {
      const { kind, generation } = named(name) as { kind: string; generation: number };
      const isNewer = generation > last && kind !== "mark";
      if (isNewer && (kind === "snapshot" || holdsBatches(survey, name))) {
        survey.damaged(name, `is newer than what ${MANIFEST} names`);
      } else survey.leftovers.push(name);
    }
    for (const name of this.old) {
      if (!gone.has(name) && sizeOf(survey, name) > 0) {
        survey.damaged(
          name,
          "was written by an older version of the program, and does not belong here",
        );
      }
    }
    const isMissing = [...names].some((name) => !survey.names.includes(name));
    return survey.damages.length === before && !isMissing;
  }

  /** What to read when the manifest is of no use: the newest snapshot that looks whole, and the journals behind it. */
  guess(manifest: Manifest | null): Plan {
    const survey = this.#survey;
    const whole = this.snapshots.filter((generation) =>
      survey.reading(snapshotName(generation), looksWhole),
    );
    const snapshot = whole.at(-1) ?? this.snapshots.at(-1) ?? null;
    const { id = null, mark = null, journals: named = [] } = manifest ?? {};
    if (manifest !== null) {
      const wanted = named.map(journalName);
      if (manifest.snapshot !== null) wanted.push(snapshotName(manifest.snapshot));
      for (const name of wanted) {
        if (!survey.names.includes(name)) survey.damaged(name, "is missing");
      }
    }
    const first = whole.length > 0 ? (snapshot as number) : 0;
    return { id, snapshot, journals: this.journals.filter((one) => one >= first), mark };
  }

  #unnamed(names: ReadonlySet<string>): string[] {
    return this.#survey.names.filter((name) => named(name) !== null && !names.has(name));
  }
}

function sizeOf(survey: Survey, name: string): number {
  return survey.reading(basename(name), ({ size }) => size) ?? 0;
}
