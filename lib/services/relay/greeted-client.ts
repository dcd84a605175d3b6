import type { CloseReason } from "../../net/client.ts";
import type { RelayClient } from "./client.ts";

/** A client as the program that embeds the relay sees it. */
export class GreetedClient {
  /** `ip:port`. */
  readonly address: string;
  readonly id: number;
  /** Resolves with the reason when the client is closed. */
  readonly closed: Promise<CloseReason>;
  readonly #client: RelayClient;
  readonly #close: (notice: string) => void;

  constructor(client: RelayClient, close: (notice: string) => void) {
    this.#client = client;
    this.#close = close;
    this.address = client.address;
    this.id = client.id;
    this.closed = new Promise((resolve) => {
      client.onClosed = resolve;
    });
  }

  /** Sends one line to this client alone; the newline is added. Line breaks within it become spaces. */
  send(line: string): void {
    this.#client.send(`${oneLine(line)}\n`);
  }

  /** Closes the client, after a last line if one is given. */
  close(notice = ""): void {
    this.#close(notice === "" ? "" : `${oneLine(notice)}\n`);
  }

  /** Calls `see` with each line the client sends that is relayed. */
  onLine(see: (line: string) => void): void {
    this.#client.onLine = see;
  }
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
}
