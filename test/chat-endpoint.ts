import { afterEach } from "bun:test";

/** A question that a stand-in for a chat endpoint was asked. */
export interface Asked {
  readonly path: string;
  readonly headers: Headers;
  readonly body: any;
  /** Aborts when whoever asked has hung up. */
  readonly signal: AbortSignal;
}

export interface Endpoint {
  readonly port: number;
  readonly baseUrl: string;
  /** Every question so far, the oldest first. */
  readonly asked: Asked[];
  stop(): Promise<void>;
}

type Answering = (asked: Asked, count: number) => Response | Promise<Response>;

const open: Endpoint[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
});

/** A chat endpoint that answers as it is told to; stopped after the test. @param port a free one when not given */
export function chatEndpoint(answer: Answering, port = 0): Endpoint {
  const asked: Asked[] = [];
  const serving = Bun.serve({
    port,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const { headers, signal } = request;
      const path = new URL(request.url).pathname;
      const one = { path, headers, signal, body: await request.json() };
      asked.push(one);
      return answer(one, asked.length);
    },
  });
  const endpoint = {
    port: serving.port as number,
    baseUrl: `http://127.0.0.1:${serving.port}/v1`,
    asked,
    stop: () => serving.stop(true),
  };
  open.push(endpoint);
  return endpoint;
}

/** A part of a streamed answer, as an event. */
export function event(delta: object, finish: string | null = null): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
}

export const DONE = `${event({}, "stop")}data: [DONE]\n\n`;

/** The part that calls a tool. */
export function toolCall(name: string, data: unknown, index = 0): object {
  const given = typeof data === "string" ? data : JSON.stringify(data);
  const called = { name, arguments: given };
  return { tool_calls: [{ index, id: `c${index}`, type: "function", function: called }] };
}

/** An event stream of these pieces. */
export function streamed(...pieces: (string | Uint8Array)[]): Response {
  const body = new ReadableStream({
    type: "direct",
    async pull(controller: ReadableStreamDirectController) {
      for (const piece of pieces) {
        controller.write(piece);
        await controller.flush();
      }
      controller.close();
    },
  } as never);
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A streamed call of a tool. */
export const calls = (name: string, data: unknown = {}) =>
  streamed(event(toolCall(name, data)), DONE);

/** A streamed text. */
export const says = (text: string) => streamed(event({ content: text }), DONE);

/** Begins with these pieces, and then nothing comes any more. */
export function stalling(...pieces: string[]): Response {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}
