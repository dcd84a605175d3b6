import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";

/** One block of a PEM file. */
interface Block {
  /** `CERTIFICATE`, `EC PRIVATE KEY`, ... */
  readonly label: string;
  readonly text: string;
}

const BEGIN = "\n-----BEGIN ";
const DASHES = "-----";
/** The first byte of DER, the binary form that PEM wraps. */
const DER = 0x30;

/** All certificates of a PEM file; or its fault, in words that follow its name. */
export function certificatesIn(bytes: Buffer): X509Certificate[] | string {
  const blocks = blocksIn(bytes).filter(({ label }) =>
    /^(TRUSTED |X509 )?CERTIFICATE$/.test(label),
  );
  if (blocks.length === 0) return `holds ${whatIn(bytes)}, no certificate`;
  const found: X509Certificate[] = [];
  for (const [i, { text }] of blocks.entries()) {
    try {
      found.push(new X509Certificate(text));
    } catch {
      const which =
        blocks.length === 1
          ? "a certificate"
          : `${blocks.length} certificates, of which number ${i + 1}`;
      return `holds ${which} that cannot be read`;
    }
  }
  return found;
}

/** The private key of a PEM file. */
export type FoundKey =
  | { readonly key: KeyObject }
  /** It is encrypted, and the passphrase ("" for none) does not open it. */
  | { readonly locked: true }
  /** The fault of the file, in words that follow its name. */
  | { readonly trouble: string };

export function keyIn(bytes: Buffer, passphrase: string): FoundKey {
  const block = blocksIn(bytes).find(({ label }) => /(^| )PRIVATE KEY$/.test(label));
  if (block === undefined) return { trouble: `holds ${whatIn(bytes)}, no private key` };
  try {
    return { key: createPrivateKey({ key: block.text, ...(passphrase && { passphrase }) }) };
  } catch {
    return isLocked(block)
      ? { locked: true }
      : { trouble: "holds a private key that cannot be read" };
  }
}

/** True if a PEM file holds a private key that asks for a passphrase. */
export function asksPassphrase(bytes: Buffer): boolean {
  return blocksIn(bytes).some(isLocked);
}

function isLocked({ label, text }: Block): boolean {
  return label === "ENCRYPTED PRIVATE KEY" || /^Proc-Type: 4,ENCRYPTED\r?$/m.test(text);
}

/** The contents of a file, in words, when the block it should hold is not there. */
function whatIn(bytes: Buffer): string {
  const kinds = new Set(blocksIn(bytes).map(({ label }) => kindOf(label)));
  if (kinds.size > 0) return [...kinds].slice(0, 3).join(" and ");
  if (bytes.length === 0) return "nothing";
  return bytes[0] === DER ? "DER and not PEM" : "no PEM";
}

function kindOf(label: string): string {
  if (label.endsWith("PRIVATE KEY")) return "a private key";
  if (label.endsWith("PUBLIC KEY")) return "a public key";
  if (label.endsWith("CERTIFICATE REQUEST")) return "a certificate request";
  if (label.endsWith("CERTIFICATE")) return "a certificate";
  return label;
}

/** The whole blocks of a file, in order; each ends before the next begins. */
function blocksIn(bytes: Buffer): Block[] {
  const text = `\n${bytes.toString("latin1")}`;
  const blocks: Block[] = [];
  for (let at = text.indexOf(BEGIN); at >= 0;) {
    const next = text.indexOf(BEGIN, at + 1);
    const piece = text.slice(at, next < 0 ? text.length : next);
    const label = piece.slice(BEGIN.length, piece.indexOf(DASHES, BEGIN.length));
    const end = `${DASHES}END ${label}${DASHES}`;
    const length = piece.indexOf(end) + end.length;
    if (/^[A-Z0-9 ]{1,40}$/.test(label) && length >= end.length) {
      blocks.push({ label, text: `${piece.slice(1, length)}\n` });
    }
    at = next;
  }
  return blocks;
}
