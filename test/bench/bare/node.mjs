// Node's http with nothing around it. Its argument is a file with BareRoutes.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const routes = new Map(Object.entries(JSON.parse(readFileSync(process.argv[2], "utf8"))));

const server = createServer((request, response) => {
  const route = routes.get(request.url);
  if (!route) {
    response.writeHead(404).end("There is nothing here.\n");
    return;
  }
  const body = JSON.stringify(route.value) + (route.newline ? "\n" : "");
  response.writeHead(200, { ...route.headers, "content-length": Buffer.byteLength(body) });
  response.end(body);
});
server.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${server.address().port}`));
