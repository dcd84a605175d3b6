// Bun.serve with nothing around it. Its argument is a file with BareRoutes.
import type { BareRoutes } from "./routes.ts";

const routes: BareRoutes = await Bun.file(process.argv[2] as string).json();
const made = new Map(
  Object.entries(routes).map(([path, route]) => [
    path,
    { ...route, headers: new Headers(route.headers) },
  ]),
);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  reusePort: false,
  fetch(request) {
    const route = made.get(request.url.slice(request.url.indexOf("/", 8)));
    if (!route) return new Response("There is nothing here.\n", { status: 404 });
    const body = JSON.stringify(route.value) + (route.newline ? "\n" : "");
    return new Response(body, { headers: route.headers });
  },
});
console.log(`127.0.0.1:${server.port}`);
