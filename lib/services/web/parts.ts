import type { EventStream, HttpAsked, HttpPart } from "../../host/service/http-part.ts";
import type { Host } from "../../host/service.ts";
import type { HttpServer } from "../../net/http.ts";
import { unanswered } from "../../net/http/methods.ts";
import { SECURE } from "./answers.ts";

/** Bytes that may wait for one stream, unless a single event is longer; it is closed when there would be more. */
const WAITING_MAX = 2 ** 20;

const EVENTS = {
  ...SECURE,
  "content-type": "text/event-stream",
  // Otherwise Nginx would hold events back until it has some kilobytes of them.
  "x-accel-buffering": "no",
};

/** A part, and the path that it is asked for. */
interface Found {
  readonly part: HttpPart;
  readonly path: string;
}

interface Open {
  readonly ip: string;
  close(): void;
}

/** Passes requests on to the parts of services, whose names it need not know. */
export class Parts {
  /** Streams closed because too many bytes waited for them. */
  slow = 0;
  readonly #services: Host<never>["services"];
  readonly #open = new Set<Open>();

  constructor({ services }: Pick<Host<never>, "services">) {
    this.#services = services;
  }

  /** Open streams of events. */
  get streams(): number {
    return this.#open.size;
  }

  /** The part that a path belongs to; null where there is none. */
  at(path: string): Found | null {
    const end = path.indexOf("/", 1);
    const name = end < 0 ? path.slice(1) : path.slice(1, end);
    if (name === "") return null;
    for (const { http: part } of this.#services.values()) {
      if (part?.name === name) return { part, path: end < 0 ? "" : path.slice(end + 1) };
    }
    return null;
  }

  /** @param isLocal true for a request from this machine that names it, to a server that others cannot reach, and not by a page of another site */
  async answer(
    { part, path }: Found,
    request: Request,
    http: HttpServer,
    isLocal: boolean,
  ): Promise<Response> {
    const { methods } = part;
    if (!methods.some((one) => one === request.method)) return unanswered(request, methods, SECURE);
    const refused = http.refuses(request);
    if (refused) return refused;
    const { ip, address } = http.originOf(request);
    const events: HttpAsked["events"] = (begin) => this.#events(request, http, ip, begin);
    const answer = await part.answer({ request, path, ip, address, isLocal, events });
    for (const [name, value] of Object.entries(SECURE)) {
      if (!answer.headers.has(name)) answer.headers.set(name, value);
    }
    return answer;
  }

  /** Ends the streams from addresses that may no longer connect. */
  closeDenied(http: HttpServer): void {
    for (const one of this.#open) if (http.denies(one.ip)) one.close();
  }

  closeAll(): void {
    for (const one of this.#open) one.close();
  }

  #events(
    request: Request,
    http: HttpServer,
    ip: string,
    begin: (stream: EventStream) => () => void,
  ): Response {
    if (request.method === "HEAD") return new Response(null, { headers: EVENTS });
    const leave = http.enter(request);
    http.setIdleTimeout(request, 0);
    let controller: ReadableStreamDefaultController<Uint8Array>;
    let end = () => {};
    const forget = () => {
      if (!this.#open.delete(open)) return;
      leave();
      end();
    };
    const open = {
      ip,
      get waiting(): number {
        return WAITING_MAX - (controller.desiredSize ?? WAITING_MAX);
      },
      send: (text: string) => {
        if (!this.#open.has(open)) return;
        const bytes = Buffer.from(text);
        const { waiting } = open;
        if (waiting > 0 && waiting + bytes.length > WAITING_MAX) {
          this.slow++;
          open.close();
        } else controller.enqueue(bytes);
      },
      close: () => {
        if (!this.#open.has(open)) return;
        forget();
        controller.close();
        // A client that does not read would keep its connection for ever.
        http.setIdleTimeout(request, 1);
      },
    };
    request.signal.addEventListener("abort", forget, { once: true });
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (made) => {
          controller = made;
        },
        cancel: forget,
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_MAX }),
    );
    this.#open.add(open);
    // A comment: the head of the answer leaves at once.
    open.send(":\n\n");
    end = begin(open);
    if (!this.#open.has(open)) end();
    return new Response(stream, { headers: EVENTS });
  }
}
