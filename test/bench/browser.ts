/** The browser that pages are measured in, if there is one. */
const BROWSER =
  process.env["BUN_CHROME_PATH"] ??
  ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    .map((name) => Bun.which(name))
    .find((path) => path !== null);

export const hasBrowser = BROWSER !== undefined;

/** A task of a page's main thread. */
export interface Task {
  /** The last mark before its end, or the first of all. */
  readonly mark: string;
  /** Milliseconds by the clock, others' turns on the processor included. */
  readonly wall: number;
  /** Milliseconds on the processor, which the load of the machine hardly changes. */
  readonly cpu: number;
}

/** An event of a trace, as far as it is read. */
interface Traced {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds each. */
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
}

/** Prefix of the marks, which makes them known among those of others. */
const MARK = "bench ";

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
    await page.go(url);
    return page;
  }

  async go(url: string): Promise<void> {
    await this.#view.navigate(url);
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

  /** Has the browser note every task of the page; `stop` tells them. */
  async trace(): Promise<{ stop(): Promise<Task[]> }> {
    const view = this.#view;
    const events: Traced[] = [];
    view.addEventListener<{ value: Traced[] }>("Tracing.dataCollected", ({ data }) => {
      const kept = data.value.filter(({ name }) => name === "RunTask" || name.startsWith(MARK));
      events.push(...kept);
    });
    const ended = new Promise((resolve) => {
      view.addEventListener("Tracing.tracingComplete", resolve, { once: true });
    });
    const includedCategories = ["disabled-by-default-devtools.timeline", "blink.user_timing"];
    const traceConfig = { recordMode: "recordUntilFull", includedCategories };
    await view.cdp("Tracing.start", { transferMode: "ReportEvents", traceConfig });
    return {
      stop: async () => {
        await view.cdp("Tracing.end");
        await ended;
        return tasksOf(events);
      },
    };
  }

  /** Names what is done from now on in a trace. */
  async mark(what: string): Promise<void> {
    await this.get(`void performance.mark(${JSON.stringify(MARK + what)})`);
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

/** The tasks of the thread that made the marks. */
function tasksOf(events: readonly Traced[]): Task[] {
  const marks = events.filter(({ name }) => name.startsWith(MARK)).toSorted((a, b) => a.ts - b.ts);
  const own = marks[0];
  const tasks = events.filter(
    ({ name, pid, tid }) => name === "RunTask" && pid === own?.pid && tid === own.tid,
  );
  return tasks.map(({ ts, dur = 0, tdur = 0 }) => {
    const last = marks.findLast((one) => one.ts < ts + dur) ?? own;
    return { mark: last?.name.slice(MARK.length) ?? "", wall: dur / 1000, cpu: tdur / 1000 };
  });
}
