import { expect } from "bun:test";
import { type Clock, systemClock } from "../lib/host/clock.ts";

/** The path of the browser, if there is one. */
export const BROWSER =
  process.env["BUN_CHROME_PATH"] ??
  ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    .map((name) => Bun.which(name))
    .find((path) => path !== null);

/** The token that a tab signs in with. */
export const TOKEN = "a token for this test";
/** Milliseconds that the page may take to show something. */
const PATIENCE = 30_000;

/** The program's clock in a hurry: its second is over in a quarter of one. */
const HURRY = 4;
export const clock: Clock = {
  now: () => systemClock.now() * HURRY,
  wall: () => Date.UTC(2026, 0, 2, 3, 4, 5) + systemClock.now() * HURRY,
  every: (ms, job) => systemClock.every(ms / HURRY, job),
  after: (ms, job) => systemClock.after(ms / HURRY, job),
};

/** A tab, and what went wrong in it. */
export class Tab {
  readonly view: Bun.WebView;
  readonly troubles: string[] = [];
  readonly requests: string[] = [];

  private constructor(width: number) {
    this.view = new Bun.WebView({
      backend: { type: "chrome", path: BROWSER as string, argv: ["--no-sandbox"] },
      width,
      height: 1000,
      console: (type: string, ...args: unknown[]) => {
        if (type === "error" || type === "warn") this.troubles.push(args.map(String).join(" "));
      },
    });
  }

  static async open(url: string, width = 1280): Promise<Tab> {
    const tab = new Tab(width);
    const { view } = tab;
    await view.navigate("about:blank");
    const listen = (event: string, hear: (data: any) => void) =>
      view.addEventListener(event, ((one: MessageEvent) => hear(one.data)) as EventListener);
    listen("Runtime.exceptionThrown", ({ exceptionDetails }) =>
      tab.troubles.push(exceptionDetails.exception?.description ?? exceptionDetails.text),
    );
    listen("Log.entryAdded", ({ entry }) => {
      if (entry.level === "error") tab.troubles.push(`${entry.text} ${entry.url ?? ""}`);
    });
    listen("Network.requestWillBeSent", ({ request }) => tab.requests.push(request.url));
    for (const domain of ["Runtime", "Log", "Network"]) await view.cdp(`${domain}.enable`);
    await view.navigate(url);
    return tab;
  }

  get<T = unknown>(script: string): Promise<T> {
    return this.view.evaluate(script) as Promise<T>;
  }

  /** Waits until the page says something. */
  async see(script: string, wanted: unknown = true): Promise<void> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const found = await this.get(script);
      if (Bun.deepEquals(found, wanted)) return;
      if (performance.now() > end) expect({ script, found }).toEqual({ script, found: wanted });
      await this.get("new Promise((resolve) => setTimeout(resolve, 20))");
    }
  }

  async click(selector: string): Promise<void> {
    await this.view.scrollTo(selector);
    await this.view.click(selector);
  }

  /** Types into a field, in place of what it holds. */
  async fill(selector: string, text: string): Promise<void> {
    await this.get(`document.querySelector(${JSON.stringify(selector)}).select()`);
    if (text === "") await this.view.press("Delete");
    else await this.view.type(text);
  }

  /** Shows a place of the page. */
  async go(place: string): Promise<void> {
    await this.get(`location.hash = ${JSON.stringify(`#/${place}`)}`);
    const [name] = place.split("?");
    await this.see(`document.querySelector("#places [aria-current]").hash`, `#/${name}`);
    if (name === "clients") await this.see(BUSY, null);
  }

  /** Chooses something in the menu of the server. */
  async choose(selector: string): Promise<void> {
    await this.click("#server-menu summary");
    await this.click(selector);
  }

  async signOut(): Promise<void> {
    await this.choose("#sign-out");
    await this.see("document.documentElement.dataset.admin", "signed-out");
  }

  /** Filters the clients by address, and waits until the page shows what it asked for. */
  async filter(address: string): Promise<void> {
    await this.fill("#filter", address);
    const given = "new URLSearchParams(location.hash.split('?')[1]).get('q') ?? ''";
    await this.see(given, address);
    await this.see(BUSY, null);
  }

  /** Sorts the clients by a column, and waits until the page shows what it asked for. */
  async sort(name: string, direction = "descending"): Promise<void> {
    await this.click(`[data-column=${name}] .sort`);
    await this.see(`[document.querySelector("[data-column=${name}]").ariaSort, ${BUSY}]`, [
      direction,
      null,
    ]);
  }

  /** Stops the page's clock, moved on by so many milliseconds. */
  async stopClock(ms = 0): Promise<void> {
    await this.get(
      `((at) => { Date.real ??= Date.now; Date.now = () => at; })(Date.now() + ${ms})`,
    );
  }

  async startClock(): Promise<void> {
    await this.get("Date.now = Date.real ?? Date.now");
  }

  /** Presses Tab until something has the focus, as whoever has no mouse does. */
  async tabTo(selector: string): Promise<void> {
    const there = `document.activeElement.matches(${JSON.stringify(selector)})`;
    for (let presses = 0; presses < 100; presses++) {
      if (await this.get(there)) return;
      await this.view.press("Tab");
    }
    throw new Error(`Tab never gets to ${selector}`);
  }

  async signIn(): Promise<void> {
    await this.click("#sign-in-open");
    await this.fill("#sign-in [name=token]", TOKEN);
    await this.view.press("Enter");
    await this.see("document.activeElement.parentElement.id", "server-menu");
  }

  async dark(isDark: boolean): Promise<void> {
    const value = isDark ? "dark" : "light";
    const features = [{ name: "prefers-color-scheme", value }];
    await this.view.cdp("Emulation.setEmulatedMedia", { features });
  }

  async mouse(x: number, y: number): Promise<void> {
    await this.view.cdp("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
  }
}

export const stat = (key: string) =>
  `Number(document.querySelector('[data-stat="${key}"]')?.dataset.value ?? NaN)`;
export const text = (selector: string) =>
  `document.querySelector(${JSON.stringify(selector)})?.textContent ?? null`;
/** True while the page waits for the clients that it asked for. */
const BUSY = "document.querySelector('#rows').ariaBusy";
export const STATUS = "document.documentElement.dataset.status";
/** The visible texts whose contrast is too low to be readable. */
export const FAINT = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = rgba(colour).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim() !== "");
    if (!own || !node.checkVisibility() || node.closest(":disabled, [aria-disabled=true]")) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(node.tagName + " " + node.textContent + " " + contrast);
  }
  return faint;
})()`;

/** The elements that stick out to the right of a page that is wider than its window; none where only boxes scroll. */
export const WIDE = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  const out = [...document.querySelectorAll("body *")]
    .filter((node) => node.checkVisibility() && !node.closest(".unseen, .skip"))
    .filter((node) => node.getBoundingClientRect().right > clientWidth + 0.5)
    .map((node) => node.tagName + "." + node.className);
  return scrollWidth > clientWidth ? [scrollWidth + " of " + clientWidth, ...out] : out;
})()`;
