import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { boot, type Booted } from "./kit.ts";

const CODINGS = ["gzip", "br", "zstd"] as const;
const ALL = "gzip, deflate, br, zstd";
const TEXT = "<p>A paragraph of some length, again and again.</p>\n".repeat(100);

const running: Booted[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A server of a folder with these files. */
async function served(files: Record<string, string | Uint8Array>) {
  const root = mkdtempSync(join(tmpdir(), "summoner-static-"));
  folders.push(root);
  const folder = join(root, "public");
  mkdirSync(join(folder, "docs"), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content);
    // Old enough not to count as just changed.
    utimesSync(join(folder, name), 1_700_000_000, 1_700_000_000);
  }
  const server = await boot(["relay", "web"], { web: { static: folder } });
  running.push(server);
  const get = async (path: string, accept: string | null, more: Record<string, string> = {}) => {
    const headers = { "accept-encoding": accept ?? "identity", ...more };
    const answer = await server.get(path, { headers, decompress: false });
    const bytes = Buffer.from(await answer.bytes());
    const field = (name: string) => answer.headers.get(name);
    return { status: answer.status, coding: field("content-encoding"), bytes, field };
  };
  return { ...server, root, folder, get };
}

function decoded(bytes: Uint8Array, coding: string | null): string {
  if (coding === null) return Buffer.from(bytes).toString();
  if (coding === "gzip") return gunzipSync(bytes).toString();
  if (coding === "br") return brotliDecompressSync(bytes).toString();
  return Bun.zstdDecompressSync(bytes).toString();
}

describe("files that lie beside another", () => {
  const beside = {
    "page.html": TEXT,
    "page.html.br": brotliCompressSync("from br"),
    "page.html.gz": gzipSync("from gz"),
    "page.html.zst": Bun.zstdCompressSync("from zst"),
  };

  test("are served as they are, as the request asks", async () => {
    const server = await served(beside);
    for (const [accept, coding, text] of [
      ["gzip", "gzip", "from gz"],
      ["br", "br", "from br"],
      ["zstd", "zstd", "from zst"],
      [ALL, "br", "from br"],
      ["br;q=0.5, gzip", "gzip", "from gz"],
      ["*;q=0, gzip", "gzip", "from gz"],
      [null, null, TEXT],
      ["deflate", null, TEXT],
    ] as const) {
      const found = await server.get("/page.html", accept);
      expect([accept, found.status, found.coding]).toEqual([accept, 200, coding]);
      expect(decoded(found.bytes, coding)).toBe(text);
      expect(found.field("content-type")).toBe("text/html;charset=utf-8");
      expect(found.field("content-length")).toBe(String(found.bytes.length));
      expect(found.field("vary")).toBe("Accept-Encoding");
    }
    expect((await server.get("/page.html", "identity;q=0")).status).toBe(406);
  });

  test("are files of their own, too", async () => {
    const server = await served(beside);
    const found = await server.get("/page.html.gz", ALL);
    expect([found.coding, decoded(found.bytes, "gzip")]).toEqual([null, "from gz"]);
    expect(found.field("content-type")).toBe("application/gzip");
  });

  test("hold for files of any type, a folder's page and small ones", async () => {
    const server = await served({
      "a.bin": Buffer.alloc(10),
      "a.bin.gz": gzipSync(Buffer.alloc(10)),
      "docs/index.html": "docs",
      "docs/index.html.zst": Bun.zstdCompressSync("from zst"),
    });
    const binary = await server.get("/a.bin", ALL);
    expect([binary.coding, binary.field("vary")]).toEqual(["gzip", "Accept-Encoding"]);
    expect(binary.field("content-type")).toBe("application/octet-stream");
    const docs = await server.get("/docs/", ALL);
    expect([docs.coding, decoded(docs.bytes, docs.coding)]).toEqual(["zstd", "from zst"]);
    // A coding that no file beside has is made here: not for a text this short, unless the request insists.
    expect((await server.get("/docs/", "gzip")).coding).toBeNull();
    expect((await server.get("/docs/", "gzip, identity;q=0")).coding).toBe("gzip");
  });

  test("are not followed out of the folder, and are files", async () => {
    const server = await served({ "page.html": TEXT, "other.html": TEXT });
    writeFileSync(join(server.root, "secret.br"), brotliCompressSync("secret"));
    symlinkSync(join(server.root, "secret.br"), join(server.folder, "page.html.br"));
    mkdirSync(join(server.folder, "other.html.br"));
    for (const path of ["/page.html", "/other.html"]) {
      const found = await server.get(path, "br");
      expect([found.coding, decoded(found.bytes, "br")]).toEqual(["br", TEXT]);
    }
  });
});

describe("files", () => {
  test("of text are compressed as the request asks", async () => {
    const names = ["page.html", "a.css", "a.js", "a.json", "a.svg", "a.txt", "a.md", "a.xml"];
    const server = await served(Object.fromEntries(names.map((name) => [name, TEXT])));
    for (const name of names) {
      const plain = await server.get(`/${name}`, null);
      for (const accepted of CODINGS) {
        for (let time = 0; time < 2; time++) {
          const found = await server.get(`/${name}`, accepted);
          expect([name, found.coding]).toEqual([name, accepted]);
          expect(decoded(found.bytes, accepted)).toBe(TEXT);
          expect(found.field("content-type")).toBe(plain.field("content-type"));
        }
      }
      expect([plain.coding, plain.field("vary")]).toEqual([null, "Accept-Encoding"]);
    }
  });

  test("that are small, large, or no text are left alone", async () => {
    const server = await served({
      "small.txt": "x".repeat(1000),
      "large.txt": "x".repeat(2 ** 20 + 1),
      "a.png": TEXT,
      "a.zip": TEXT,
      "a.woff2": TEXT,
    });
    for (const name of ["small.txt", "large.txt", "a.png", "a.zip", "a.woff2"]) {
      const [plain, found] = [
        await server.get(`/${name}`, null),
        await server.get(`/${name}`, ALL),
      ];
      expect([name, found.coding]).toEqual([name, null]);
      expect(found.bytes.equals(plain.bytes)).toBe(true);
      for (const field of ["etag", "vary", "content-type", "content-length"]) {
        expect(found.field(field)).toBe(plain.field(field));
      }
    }
  });

  test("have a strong validator for each way they are sent", async () => {
    const beside = { "page.html.br": brotliCompressSync(TEXT) };
    const server = await served({ "page.html": TEXT, ...beside });
    const ways = [...CODINGS, null];
    const etags = new Map<string | null, string>();
    for (const way of ways) {
      const etag = (await server.get("/page.html", way)).field("etag") as string;
      expect(etag).toMatch(/^"[\w-]+"$/);
      etags.set(way, etag);
    }
    expect(new Set(etags.values()).size).toBe(4);
    for (const way of ways) {
      for (const [of, etag] of etags) {
        const found = await server.get("/page.html", way, { "if-none-match": etag });
        expect([way, of, found.status]).toEqual([way, of, way === of ? 304 : 200]);
        if (found.status !== 304) continue;
        expect(found.field("etag")).toBe(etag);
        expect(found.field("vary")).toBe("Accept-Encoding");
        expect(found.bytes.length).toBe(0);
      }
    }
  });

  test("give no range of what is compressed", async () => {
    const server = await served({ "page.html": TEXT, "page.html.br": brotliCompressSync(TEXT) });
    for (const way of CODINGS) {
      const whole = await server.get("/page.html", way);
      expect(whole.field("accept-ranges")).not.toBe("bytes");
      const part = await server.get("/page.html", way, { range: "bytes=3-12" });
      expect([part.status, part.coding, part.bytes.toString()]).toEqual([206, null, "A paragrap"]);
      expect(part.field("content-range")).toBe(`bytes 3-12/${TEXT.length}`);
      const plain = await server.get("/page.html", null);
      expect(part.field("etag")).toBe(plain.field("etag"));
    }
  });

  test("have the same head for HEAD", async () => {
    const server = await served({
      "page.html": TEXT,
      "page.html.br": brotliCompressSync(TEXT),
      "a.txt": TEXT,
    });
    for (const path of ["/page.html", "/a.txt"]) {
      for (const accept of [...CODINGS, "identity"]) {
        const init = { headers: { "accept-encoding": accept }, decompress: false };
        const got = await fetch(server.url(path), init);
        await got.bytes();
        const head = await fetch(server.url(path), { ...init, method: "HEAD" });
        // Bun names no type for a file that it sends no byte of.
        const type = got.headers.get("content-type");
        const fields = ({ headers }: Response): object => ({
          ...Object.fromEntries(headers),
          "content-type": type,
          date: "",
        });
        expect({ path, accept, ...fields(head) }).toEqual({ path, accept, ...fields(got) });
      }
    }
  });

  test("are compressed anew when they change", async () => {
    const server = await served({ "a.txt": TEXT });
    const first = await server.get("/a.txt", "gzip");
    expect(decoded(first.bytes, "gzip")).toBe(TEXT);
    const path = join(server.folder, "a.txt");
    writeFileSync(path, TEXT.toUpperCase());
    utimesSync(path, 1_700_000_001, 1_700_000_001);
    const second = await server.get("/a.txt", "gzip", {
      "if-none-match": first.field("etag") ?? "",
    });
    expect([second.status, decoded(second.bytes, "gzip")]).toEqual([200, TEXT.toUpperCase()]);
  });

  test("are compressed once, however many ask, and within the bound of a second", async () => {
    const megabyte = "0123456789abcdef".repeat(2 ** 16);
    const names = Array.from({ length: 12 }, (_, i) => `${i}.txt`);
    const server = await served(Object.fromEntries(names.map((name) => [name, megabyte])));
    const coding = async (name: string) => (await server.get(`/${name}`, "br")).coding;
    const same = await Promise.all(Array.from({ length: 50 }, () => coding("0.txt")));
    expect(new Set(same)).toEqual(new Set(["br"]));
    const others = await Promise.all(names.map(coding));
    expect(others.filter((one) => one === "br")).toHaveLength(8);
    server.clock.advance(1000);
    expect(new Set(await Promise.all(names.map(coding)))).toEqual(new Set(["br"]));
  });

  test("that are asked for last are the ones that are kept", async () => {
    // Together they take more than is kept.
    const names = Array.from({ length: 24 }, (_, i) => `${i}.txt`);
    const noise = () =>
      Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)))
        .toString("base64")
        .repeat(13);
    const server = await served(Object.fromEntries(names.map((name) => [name, noise()])));
    for (const name of names) {
      server.clock.advance(1000);
      expect((await server.get(`/${name}`, "gzip")).coding).toBe("gzip");
    }
    for (const name of names) {
      server.clock.advance(1000);
      const { bytes, coding } = await server.get(`/${name}`, "gzip");
      expect([coding, decoded(bytes, coding)]).toEqual([
        "gzip",
        await Bun.file(join(server.folder, name)).text(),
      ]);
    }
  });
});
