/** A value with its version and its end. */
export interface Stored {
  /** JSON. */
  readonly text: string;
  /** Grows with each change; never used twice for one key. */
  readonly version: number;
  /** Clock milliseconds; Infinity for never. */
  readonly expiresAt: number;
}

export interface SetTerms {
  /** Milliseconds until it expires; it never does when not given. */
  readonly ttlMs?: number | undefined;
  /** True to set it only where there is no value. */
  readonly ifAbsent?: boolean | undefined;
  /** Sets it only where the value has this version; 0 is that of an absent one. */
  readonly ifVersion?: number | undefined;
}

/** The record of changes, which are recorded before they are answered; each record is a line of JSON. */
export interface Recorder {
  /** True if a record of `bytes` bytes is sure to be kept; otherwise nothing may be changed. `frees` tells that the change makes room. */
  reserve(bytes: number, frees?: boolean): boolean;
  append(record: string, bytes: number): void;
  /** True if nothing can be kept at present for another reason than want of room. */
  readonly failing?: boolean;
}
