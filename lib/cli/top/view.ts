import type { ClientRow } from "../../services/web/told/connz.ts";
import { COLUMNS, keyOf, type Order } from "./columns.ts";
import type { Hello, Tick } from "./told.ts";

/** Most clients that a server tells at once. */
const MOST = 1000;

/** Which clients are shown, in which order, and which one is chosen. */
export class View implements Order {
  sort: keyof ClientRow = "outbox_bytes";
  order: "asc" | "desc" = "desc";
  filter = "";
  /** Clients before the first that is shown. */
  first = 0;
  total = 0;
  /** The key of the chosen client; null for the first one that is shown, whichever that is. */
  #chosen: string | null = null;
  /** Where the chosen client stood last, among those that are shown. */
  #at = 0;
  /** True if whoever stands there, once that is known, is to be chosen. */
  #choosesNext = false;
  /** The clients that were told, of which those from `#from` on. */
  #told: readonly ClientRow[] = [];
  #from = 0;
  #room = 1;

  /** The question for the clients, with some more than there is room for. */
  query(rows: number): URLSearchParams {
    return new URLSearchParams({
      sort: this.sort,
      order: this.order,
      offset: String(this.first),
      limit: String(Math.min(MOST, Math.max(10, 2 * rows))),
      ...(this.filter === "" ? {} : { address: this.filter }),
    });
  }

  /** Takes the clients of a tick, without the one that asks. @returns true if other clients must be asked for */
  take({ clients: { clients, total, offset } }: Tick, own: Hello["stream"] | null): boolean {
    this.#told = clients.filter(({ id, address }) => id !== own?.id || address !== own.address);
    this.#from = offset;
    this.total = total - (own !== null && own.address.includes(this.filter) ? 1 : 0);
    if (this.first > 0 && this.first >= this.total) {
      this.first = Math.max(0, this.total - this.#room);
      return this.first < this.#from;
    }
    if (this.#choosesNext && this.first >= this.#from) {
      this.#choosesNext = false;
      this.#chosen = this.chosen && keyOf(this.chosen);
    }
    const chosenAt = this.#told.findIndex((row) => keyOf(row) === this.#chosen);
    // Whoever is chosen stays in sight.
    if (chosenAt >= 0) this.first = this.#within(this.first, this.#from + chosenAt);
    return false;
  }

  /** The clients from the first that is shown on. */
  get rows(): readonly ClientRow[] {
    return this.#told.slice(Math.max(0, this.first - this.#from));
  }

  /** The client that is chosen; null where there is none. */
  get chosen(): ClientRow | null {
    const shown = this.rows.slice(0, this.#room);
    const found = shown.find((row) => keyOf(row) === this.#chosen);
    return found ?? shown[Math.min(this.#at, shown.length - 1)] ?? null;
  }

  /** Says how many clients there is room for. @returns true if other clients must be asked for */
  fit(room: number): boolean {
    this.#room = room;
    const chosenAt = this.rows.findIndex((row) => keyOf(row) === this.#chosen);
    if (chosenAt >= room) this.first = this.#within(this.first, this.first + chosenAt);
    if (chosenAt >= 0) this.#at = Math.min(chosenAt, room - 1);
    return this.#lacks();
  }

  #lacks(): boolean {
    if (this.first < this.#from) return true;
    const wanted = Math.min(this.first + this.#room, this.total);
    return wanted > this.#from + this.#told.length;
  }

  /** The first client to show, so that this one is among them. */
  #within(first: number, at: number): number {
    return at < first ? at : Math.max(first, at - this.#room + 1);
  }

  /** Chooses the client so many further down. @returns true if other clients must be asked for */
  move(by: number): boolean {
    const shown = this.rows;
    const now = this.chosen;
    const at = now === null ? 0 : shown.findIndex((row) => row === now);
    const next = Math.max(0, Math.min(this.total - 1, this.first + at + by));
    this.first = this.#within(this.first, next);
    this.#at = next - this.first;
    const row = this.#told[next - this.#from];
    this.#chosen = row === undefined ? null : keyOf(row);
    this.#choosesNext = row === undefined;
    return this.#lacks();
  }

  /** Turns the page. @returns true if other clients must be asked for */
  turn(by: number): boolean {
    const last = Math.max(0, this.total - 1);
    const first = Math.max(0, this.first + by * this.#room);
    if (first > last) return false;
    this.first = first;
    this.#chosen = null;
    this.#at = 0;
    return this.#lacks();
  }

  /** Sorts by the column so many further to the right. */
  sortBy(by: number): void {
    const at = COLUMNS.findIndex(({ sort }) => sort === this.sort) + by;
    const column = COLUMNS[(at + COLUMNS.length) % COLUMNS.length];
    if (column === undefined) return;
    this.sort = column.sort;
    this.order = ["address", "service", "state"].includes(column.sort) ? "asc" : "desc";
    this.top();
  }

  reverse(): void {
    this.order = this.order === "asc" ? "desc" : "asc";
    this.top();
  }

  /** Shows the first ones. */
  top(): void {
    this.first = 0;
    this.#at = 0;
    this.#chosen = null;
    this.#choosesNext = false;
  }
}
