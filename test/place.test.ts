import { describe, expect, test } from "bun:test";
import { load, problemText } from "../lib/config/load.ts";
import { placeOf } from "../lib/config/place.ts";
import { flag, text, whole } from "../lib/config/option.ts";
import { section } from "../lib/config/section.ts";
import { ownTls } from "../lib/config/sections/tls.ts";
import { settings } from "../lib/config/table.ts";
import { set } from "./config-suite.ts";

/** The section of a service that the program does not have. */
const abacus = section("Counts lines.", {
  enabled: flag(false, "Whether it runs."),
  host: text("::1", "Its address."),
  port: whole(7, [0, 65535], "Its port."),
  tls: ownTls("the abacus"),
});

describe("the place of a service", () => {
  const relayed = (...sets: string[]) => placeOf(set(...sets).config, "relay");
  const stored = (...sets: string[]) => placeOf(set(...sets).config, "store");

  test("is the top level's where its section names none", () => {
    expect(relayed("host=::1", "port=7")).toMatchObject({
      name: "relay",
      hostKey: "host",
      portKey: "port",
      host: "::1",
      port: 7,
    });
    expect(stored("host=::1", "store.port=7")).toMatchObject({
      name: "store",
      hostKey: "store.host",
      portKey: "store.port",
      host: "127.0.0.1",
      port: 7,
    });
  });

  test("has TLS and access key by key", () => {
    const sets = ["tls.cert=all.crt", "tls.key=all.key", "access.deny=['::1']"];
    const own = ["store.tls.cert=own.crt", "store.access.allow=['10.0.0.0/8']"];
    expect(stored(...sets, ...own).tls).toMatchObject({ cert: "own.crt", key: "all.key" });
    expect(stored(...sets, ...own).access).toEqual({ allow: ["10.0.0.0/8"], deny: ["::1"] });
    expect(["cert", "key"].map(stored(...sets, ...own).tlsKey as (key: string) => string)).toEqual([
      "store.tls.cert",
      "tls.key",
    ]);
    expect(relayed(...sets, ...own).tls).toMatchObject({ cert: "all.crt", key: "all.key" });
    expect(relayed(...sets, ...own).access).toEqual({ allow: [], deny: ["::1"] });
  });

  test("has limits", () => {
    const keys = {
      clients: "store.max_clients",
      clientsPerAddress: "store.max_clients_per_address",
    };
    expect(stored().limits).toEqual({ clients: 0, clientsPerAddress: 0, keys });
    const sets = ["store.max_clients=9", "store.max_clients_per_address=3"];
    expect(stored(...sets).limits).toEqual({ clients: 9, clientsPerAddress: 3, keys });
    expect(relayed(...sets).limits).toMatchObject({ clients: 0, clientsPerAddress: 0 });
  });

  test("is that of any section", () => {
    const { config } = load(
      { ...settings, abacus },
      { object: {}, sets: ["tls.cert=c", "tls.key=k"] },
    );
    const { tls, access } = config;
    const limits = { clients: 0, clientsPerAddress: 0 };
    const where = {
      name: "abacus",
      hostKey: "abacus.host",
      portKey: "abacus.port",
      host: "::1",
      port: 7,
    };
    expect(placeOf(config, "abacus")).toMatchObject({ ...where, tls, access, limits });
  });
});

test("TLS that is half set is refused in any section", () => {
  const tls = { cert: "abacus.crt" };
  const { problems } = load({ ...settings, abacus }, { object: { abacus: { tls } } });
  expect(problems.map(problemText)).toEqual([
    "config: abacus.tls.cert: given without key; TLS needs both",
  ]);
});
