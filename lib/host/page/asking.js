// When a panel asks the server: at once for what a person wants, once a second at most for news.

export class Asking {
  #once;
  #quietSeconds;
  /** Seconds since it asked last; the page counts them. */
  #seconds = 1;
  #hasNews = false;
  #isAsking = false;
  #asksAgain = false;

  /**
   * @param once asks and shows the answer
   * @param quietSeconds seconds after which it asks even though nothing was heard of
   */
  constructor(once, quietSeconds) {
    this.#once = once;
    this.#quietSeconds = quietSeconds;
  }

  /** Asks at once; once more when something else is wanted meanwhile. */
  async now() {
    this.#asksAgain = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#asksAgain) {
      this.#asksAgain = false;
      this.#hasNews = false;
      this.#seconds = 0;
      // Without an answer the page says so; what was shown stays, and the next second asks again.
      await this.#once().catch(() => (this.#hasNews = true));
    }
    this.#isAsking = false;
  }

  /** There is something else to show. */
  news() {
    this.#hasNews = true;
    if (this.#seconds > 0) void this.now();
  }

  /** A second has passed. @returns false when it asks */
  tick() {
    this.#seconds++;
    if (!this.#hasNews && this.#seconds < this.#quietSeconds) return true;
    void this.now();
    return false;
  }
}
