import { describe, expect, test } from "bun:test";

/** A module of the page, whose types nobody declares: the server serves it as text. */
const page = (name: string) => import(`../lib/host/page/${name}.js`);
const { rate, sinceStart } = await page("numbers");
const { Rates } = await page("rates");

describe("rates on the page", () => {
  test("are not known from one answer, nor from two that are too close", () => {
    const rates = new Rates();
    rates.note(1000, { hits: 500 });
    expect(rates.of("hits")).toBeNull();
    expect(rates.inAll()).toBeNull();
    rates.note(1899, { hits: 600 });
    expect(rates.of("hits")).toBeNull();
    rates.note(2000, { hits: 700, misses: 3 });
    expect([rates.of("hits"), rates.of("misses"), rates.inAll()]).toEqual([200, 3, 203]);
  });

  test("are not known again where the server counts anew", () => {
    const rates = new Rates();
    rates.note(90_000, { hits: 500 });
    rates.note(91_000, { hits: 510 });
    expect(rates.of("hits")).toBe(10);
    rates.note(10, { hits: 1 });
    expect(rates.of("hits")).toBeNull();
  });

  test("say so in words, and little is not nothing", () => {
    expect([null, 0, 0.01, 0.049, 0.05, 9.9, 9.95, 2722].map(rate)).toEqual([
      "–",
      "0/s",
      "<0.1/s",
      "<0.1/s",
      "0.1/s",
      "9.9/s",
      "10/s",
      "2,722/s",
    ]);
    expect(sinceStart(null, "1 request")).toBe("1 request since the start");
    expect(sinceStart(0, "1 request")).toBe("0/s, 1 request since the start");
  });
});
