/**
 * The clients that are inside by a door. Where several threads share a door,
 * all of them count together, and each counts a client before it looks whether
 * that was one too many: so no race lets in more than the limit.
 */
export interface Inside {
  /** Clients, and connections that are not clients yet, as during a TLS handshake. */
  readonly size: number;
  /** Clients from an address, or a few more where threads share the door. */
  from(ip: string): number;
  enter(ip: string): void;
  leave(ip: string): void;
  /** Counts a connection that is not a client yet (1), or no longer such a connection (-1). */
  wait(by: 1 | -1): void;
}

/** The clients of a door that one thread has for itself. */
export class InsideAlone implements Inside {
  size = 0;
  readonly #perAddress = new Map<string, number>();

  from(ip: string): number {
    return this.#perAddress.get(ip) ?? 0;
  }

  enter(ip: string): void {
    this.size++;
    this.#perAddress.set(ip, this.from(ip) + 1);
  }

  leave(ip: string): void {
    this.size--;
    const others = this.from(ip) - 1;
    if (others === 0) this.#perAddress.delete(ip);
    else this.#perAddress.set(ip, others);
  }

  wait(by: 1 | -1): void {
    this.size += by;
  }
}
