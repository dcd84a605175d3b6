import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { faultText } from "../lib/host/errors.ts";
import { certificatesIn, keyIn } from "../lib/host/files/pem.ts";
import { tlsFaults, tlsOptions } from "../lib/host/files/tls-files.ts";
import { openssl, selfSigned } from "./kit.ts";

const folder = mkdtempSync(join(tmpdir(), "summoner-tls-files-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const BLANK = { cert: "", key: "", passphrase: "", ca: "", require_client_cert: false };

/** The faults of these settings of TLS, of which the key is the store's own. */
function faults(tls: Partial<typeof BLANK>): string[] {
  const tlsKey = (key: string) => `${key === "key" ? "store.tls" : "tls"}.${key}`;
  return tlsFaults({ tls: { ...BLANK, ...tls }, tlsKey })
    .map(faultText)
    .map((text) => text.replaceAll(`${folder}/`, ""));
}

function run(...args: string[]): void {
  const made = Bun.spawnSync([openssl as string, ...args]);
  if (!made.success) throw new Error(made.stderr.toString());
}

describe.skipIf(!openssl)("the files of TLS", () => {
  const one = openssl ? selfSigned(folder, "one") : BLANK;
  const two = openssl ? selfSigned(folder, "two") : BLANK;
  const text = (path: string) => readFileSync(path, "utf8");
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(at(name), content);
    return at(name);
  };
  const encrypted = (name: string, ...how: string[]) => {
    run("pkey", "-in", one.key, "-aes256", "-passout", "pass:sesame", "-out", at(name), ...how);
    return at(name);
  };

  test("that fit are taken", () => {
    expect(faults({})).toEqual([]);
    expect(faults(one)).toEqual([]);
    expect(faults({ ...one, ca: two.cert })).toEqual([]);
    expect(faults({ ...one, key: encrypted("locked.key"), passphrase: "sesame" })).toEqual([]);
    const traditional = encrypted("traditional.key", "-traditional");
    expect(faults({ ...one, key: traditional, passphrase: "sesame" })).toEqual([]);
    const both = file("both.pem", `${text(one.cert)}${text(one.key)}`);
    expect(faults({ cert: both, key: both })).toEqual([]);
    const chain = file("chain.pem", `a comment, as é\n${text(one.cert)}${text(two.cert)}`);
    expect(faults({ ...one, cert: chain })).toEqual([]);
    expect(tlsOptions({ tls: { ...BLANK, ...one }, tlsKey: (key) => key })).toMatchObject({
      cert: text(one.cert),
      key: text(one.key),
    });
  });

  test("that are missing are told together", () => {
    expect(faults({ cert: at("a"), key: at("b"), ca: folder })).toEqual([
      "tls.cert: cannot read a: there is no such file",
      "store.tls.key: cannot read b: there is no such file",
      `tls.ca: cannot read ${folder}: it is a folder`,
    ]);
  });

  test("that are swapped", () => {
    expect(faults({ cert: one.key, key: one.cert })).toEqual([
      "tls.cert: one.key holds a private key, no certificate",
      "store.tls.key: one.crt holds a certificate, no private key",
    ]);
  });

  test("that belong to others", () => {
    expect(faults({ cert: one.cert, key: two.key })).toEqual([
      "store.tls.key: two.key is not the key of the certificate in one.crt (tls.cert)",
    ]);
    run("genpkey", "-algorithm", "ed25519", "-out", at("ed.key"));
    expect(faults({ cert: one.cert, key: at("ed.key") })).toEqual([
      "store.tls.key: ed.key is not the key of the certificate in one.crt (tls.cert)",
    ]);
  });

  test("that hold something else", () => {
    run("x509", "-in", one.cert, "-outform", "der", "-out", at("one.der"));
    run("pkey", "-in", one.key, "-pubout", "-out", at("public.pem"));
    run("req", "-new", "-key", one.key, "-subj", "/CN=x", "-out", at("request.pem"));
    for (const [path, holds] of [
      [at("one.der"), "DER and not PEM"],
      [at("public.pem"), "a public key"],
      [at("request.pem"), "a certificate request"],
      [file("empty", ""), "nothing"],
      [file("words", "no certificate\n"), "no PEM"],
      [file("cut.pem", text(one.cert).slice(0, 200)), "no PEM"],
    ] as const) {
      const name = path.slice(folder.length + 1);
      expect(faults({ cert: path, key: path, ca: path })).toEqual([
        `tls.cert: ${name} holds ${holds}, no certificate`,
        `tls.ca: ${name} holds ${holds}, no certificate`,
        `store.tls.key: ${name} holds ${holds}, no private key`,
      ]);
    }
  });

  test("that are PEM around garbage", () => {
    const pem = (label: string) => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;
    const cert = file("cert.pem", pem("CERTIFICATE"));
    const key = file("key.pem", pem("PRIVATE KEY"));
    expect(faults({ cert, key, ca: cert })).toEqual([
      "tls.cert: cert.pem holds a certificate that cannot be read",
      "tls.ca: cert.pem holds a certificate that cannot be read",
      "store.tls.key: key.pem holds a private key that cannot be read",
    ]);
    const chain = file("bad-chain.pem", text(one.cert) + pem("CERTIFICATE"));
    expect(faults({ ...one, cert: chain })).toEqual([
      "tls.cert: bad-chain.pem holds 2 certificates, of which number 2 that cannot be read",
    ]);
  });

  test("that are encrypted", () => {
    for (const how of [[], ["-traditional"]]) {
      const key = encrypted("secret.key", ...how);
      expect(faults({ ...one, key })).toEqual([
        "store.tls.key: secret.key is encrypted, and there is no passphrase",
      ]);
      expect(faults({ ...one, key, passphrase: "wrong" })).toEqual([
        "tls.passphrase: it does not open secret.key",
      ]);
    }
  });
});

test("a file of many beginnings is looked through in moments", () => {
  const bytes = Buffer.from("-----BEGIN CERTIFICATE-----\n".repeat(400_000));
  expect(certificatesIn(bytes)).toBe("holds no PEM, no certificate");
  expect(keyIn(bytes, "")).toEqual({ trouble: "holds no PEM, no private key" });
  // By the square of the length it would take hours.
});
