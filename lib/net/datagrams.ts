import type { udp } from "bun";
import type { Place } from "../config/place.ts";
import { type Address, addressText } from "../host/service.ts";
import { listenError } from "../host/system/listen-error.ts";
import { Access, unmapped } from "./admission/access.ts";
import { turn } from "./tcp/quiet.ts";

/** Takes datagrams. */
export interface DatagramSink {
  /** The bytes are the sink's own. */
  datagram(bytes: Buffer, ip: string, port: number): void;
  /** A datagram came from an address that the access lists deny, and was thrown away. */
  denied(ip: string, port: number): void;
}

/** A UDP door. Its senders are no clients: nothing but their address is known of them, and that can be forged. */
export class Datagrams {
  readonly address: Address;
  readonly #socket: udp.Socket<"buffer">;
  readonly #sink: DatagramSink;
  #access: Access;

  /** Rejects with `StartError` when it cannot listen. */
  static async open(place: Place, sink: DatagramSink): Promise<Datagrams> {
    const { host, port } = place;
    // Datagrams may come before the door is made.
    let came = (_bytes: Buffer, _ip: string, _port: number): void => {};
    try {
      const socket = await Bun.udpSocket({
        hostname: host,
        port,
        socket: { data: (_socket, bytes, from, ip) => came(bytes, unmapped(ip), from) },
      });
      const door = new Datagrams(place, sink, socket);
      came = (...one) => door.#came(...one);
      return door;
    } catch (error) {
      throw listenError(place, { host, port }, error);
    }
  }

  private constructor(place: Place, sink: DatagramSink, socket: udp.Socket<"buffer">) {
    this.#socket = socket;
    this.#sink = sink;
    this.#access = new Access(place.access);
    const { port } = socket;
    this.address = { host: place.host, port, url: `udp://${addressText(place.host, port)}` };
  }

  /** Takes other access lists. */
  configure(place: Place): void {
    this.#access = new Access(place.access);
  }

  /** Takes what has reached this machine, and nothing after it. */
  async close(): Promise<void> {
    await turn();
    this.#socket.close();
  }

  #came(bytes: Buffer, ip: string, port: number): void {
    if (this.#access.admits(ip)) this.#sink.datagram(bytes, ip, port);
    else this.#sink.denied(ip, port);
  }
}
