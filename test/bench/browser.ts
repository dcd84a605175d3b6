/** The browser that pages are measured in, if there is one. */
const BROWSER =
  process.env["BUN_CHROME_PATH"] ??
  ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    .map((name) => Bun.which(name))
    .find((path) => path !== null);

export const hasBrowser = BROWSER !== undefined;

/** A page in a browser. */
export class Page {
  readonly #view: Bun.WebView;

  private constructor() {
    this.#view = new Bun.WebView({
      backend: { type: "chrome", path: BROWSER as string, argv: ["--no-sandbox"] },
      width: 1440,
      height: 1000,
    });
  }

  /** Opens a page; `first` is run in it before anything of its own. */
  static async open(url: string, first: string): Promise<Page> {
    const page = new Page();
    await page.#view.navigate("about:blank");
    await page.#view.cdp("Page.enable");
    await page.#view.cdp("Page.addScriptToEvaluateOnNewDocument", { source: first });
    await page.#view.navigate(url);
    return page;
  }

  get<T>(script: string): Promise<T> {
    return this.#view.evaluate(script) as Promise<T>;
  }

  async click(selector: string): Promise<void> {
    await this.get(`document.querySelector(${JSON.stringify(selector)}).click()`);
  }

  /** Waits until something holds in the page. */
  async see(script: string, what: string): Promise<void> {
    const end = performance.now() + 60_000;
    while (!(await this.get<boolean>(script))) {
      if (performance.now() > end) throw new Error(`the page never shows ${what}`);
      await Bun.sleep(20);
    }
  }

  /** Bytes of its JavaScript, its elements and its listeners, after all that can be freed is. */
  async memory(): Promise<{ bytes: number; nodes: number; listeners: number }> {
    for (let i = 0; i < 3; i++) await this.#view.cdp("HeapProfiler.collectGarbage");
    const { usedSize } = (await this.#view.cdp("Runtime.getHeapUsage")) as { usedSize: number };
    const found = (await this.#view.cdp("Memory.getDOMCounters")) as {
      nodes: number;
      jsEventListeners: number;
    };
    return { bytes: usedSize, nodes: found.nodes, listeners: found.jsEventListeners };
  }

  close(): void {
    this.#view.close();
  }
}
