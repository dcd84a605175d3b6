import type { Place } from "../../../../config/place.ts";
import type { Health } from "../../../../host/service.ts";
import { Admission } from "../../../../net/admission.ts";
import { Clients } from "../../../../net/clients.ts";
import { HttpServer } from "../../../../net/http.ts";
import { Pinned } from "../../../../net/outbox.ts";
import { type WebSocketProtocol, WebSockets } from "../../../../net/websocket.ts";
import { NeuroClient } from "../../client.ts";
import { voiceUnavailableCommand } from "../../codec/encode.ts";
import { forGames, GAMES_DOOR } from "../../http/games-door.ts";
import type { NeuroHost } from "../../server-parts.ts";

/** Who is told of the one game that is let in. */
export interface Visitor {
  here(send: (text: string) => void): void;
  received(text: string): void;
  left(): void;
}

/** Lets one game in, once. */
export class ReplayDoor {
  /** Where it connects. */
  readonly url: string;
  readonly #http: HttpServer;
  readonly #clients: Clients<NeuroClient>;
  readonly #visitor: Visitor;
  #game: NeuroClient | null = null;

  /** @throws StartError when it cannot listen */
  constructor(place: Place, maxMessageBytes: number, host: NeuroHost, visitor: Visitor) {
    this.#visitor = visitor;
    const pinned = new Pinned();
    const protocol: WebSocketProtocol<NeuroClient> = {
      create: (accepted) => new NeuroClient(accepted, pinned),
      opened: (client) => this.#opened(client),
      received: (client, bytes) => {
        this.#received(client, bytes);
        return bytes.length;
      },
      closed: (client) => {
        if (client === this.#game) this.#visitor.left();
      },
    };
    this.#clients = new Clients(protocol, new Admission(place, host), host);
    const sockets = new WebSockets(this.#clients, "text", maxMessageBytes, true);
    const answer = (request: Request, path: string) => this.#http.upgrade(request, path);
    this.#http = new HttpServer(place, GAMES_DOOR, answer, host, sockets);
    this.url = forGames(this.#http.address).url;
  }

  health(): Health {
    return this.#http.health();
  }

  async close(deadlineMs: number): Promise<void> {
    const closed = this.#http.drain(deadlineMs);
    await this.#clients.drain(deadlineMs, "");
    await closed;
  }

  #opened(client: NeuroClient): void {
    if (client.isVoice) return;
    // Another one would have to begin in the middle.
    if (this.#game !== null) return this.#clients.close(client, "limit");
    this.#game = client;
    this.#visitor.here((text) => client.send(text));
  }

  #received(client: NeuroClient, bytes: Buffer): void {
    if (client === this.#game) this.#visitor.received(bytes.toString());
    else if (client.isVoice) {
      client.send(voiceUnavailableCommand());
      this.#clients.close(client, "eof");
    }
  }
}
