import type { Config } from "../../config/table.ts";
import type { Host } from "../../host/service.ts";
import type { HttpServer } from "../../net/http.ts";
import { isOfOtherPage } from "../../net/http/host.ts";
import { isForeign, notImplemented, unanswered } from "../../net/http/methods.ts";
import { Refused } from "../../host/service/panel.ts";
import { ACTIONS, act } from "./admin.ts";
import { json, objectOf, pageFile, refusal, SECURE } from "./answers.ts";
import { moreTold, WallTime } from "./told/client-told.ts";
import { clusterz } from "./told/clusterz.ts";
import { connz } from "./told/connz.ts";
import { quarantinez } from "./told/quarantinez.ts";
import type { Events } from "./events.ts";
import type { Audience, Guard } from "./guard.ts";
import { PAGE_FILES, pageAt } from "./page.ts";
import { notThere, type Panels } from "./panels.ts";
import type { Parts } from "./parts.ts";
import type { Site } from "./site/site.ts";
import type { Views } from "./told/views.ts";

/** Answers a request. */
type Ask = (request: Request, http: HttpServer) => Response | Promise<Response>;

/** Refuses a request beyond the limits of clients. For routes that answer later or with a stream. */
const limited =
  (ask: Ask): Ask =>
  (request, http) =>
    http.refuses(request) ?? ask(request, http);

interface Route {
  readonly audience: Audience;
  readonly GET?: Ask;
  readonly POST?: Ask;
}

/** The built-in paths besides those of the actions and of the dashboard. */
const PATHS = [
  "/healthz",
  "/readyz",
  "/varz",
  "/connz",
  "/quarantinez",
  "/clusterz",
  "/metrics",
  "/events",
  "/events/wanted",
  "/session",
  "/login",
  "/logout",
] as const;

type Path = (typeof PATHS)[number];

/** Everything below is the server's own where there is a token. */
const ADMIN = "/admin/";

/** True if the dashboard's page cannot be at a path, since another built-in route is. */
export function isTaken(path: string): boolean {
  const bare = withoutSlash(path);
  if (bare === "/dashboard") return false;
  return (
    PATHS.some((one) => one === bare) ||
    [ADMIN, "/dashboard/", "/panels/"].some((one) => `${bare}/`.startsWith(one))
  );
}

function withoutSlash(path: string): string {
  return path.replace(/\/+$/, "");
}

/** The built-in routes by path. The site answers all other paths. */
export class Routes {
  readonly #host: Host<Config>;
  readonly #guard: Guard;
  readonly #site: Site;
  readonly #panels: Panels;
  readonly #parts: Parts;
  readonly #routes = new Map<string, Route>();
  /** The name of each built-in route, by its path. */
  readonly #names: ReadonlyMap<string, string>;

  /** @param dashboard the path of the dashboard's page */
  constructor(
    dashboard: string,
    host: Host<Config>,
    made: { guard: Guard; views: Views; events: Events; panels: Panels; parts: Parts; site: Site },
  ) {
    const { guard, views, events, panels, parts, site } = made;
    this.#host = host;
    this.#guard = guard;
    this.#site = site;
    this.#panels = panels;
    this.#parts = parts;
    const set = (path: string, route: Route) => this.#routes.set(path, route);
    const open = (path: Path, GET: Ask) => set(path, { audience: "open", GET });
    const read = (path: Path, GET: Ask) => set(path, { audience: "read", GET });
    const post = (path: Path, POST: Ask) => set(path, { audience: "open", POST });
    const time = new WallTime(host.clock);
    open("/healthz", (request, http) => views.healthz(() => guard.mayRead(request, http)));
    open("/readyz", (request, http) => views.readyz(() => guard.mayRead(request, http)));
    read("/varz", (request, http) => views.varz(request, http));
    read(
      "/connz",
      limited((request, http) =>
        connz(request, http, host.services, (one) => moreTold(host.services, one, time)),
      ),
    );
    read(
      "/quarantinez",
      limited((request, http) => quarantinez(request, http, host.services)),
    );
    read(
      "/clusterz",
      limited((request, http) => clusterz(request, http, host.services, host.clock)),
    );
    read("/metrics", (request, http) => views.metrics(request, http));
    read(
      "/events",
      limited((request, http) => events.open(request, http)),
    );
    set("/events/wanted" satisfies Path, {
      audience: "read",
      POST: limited((request) => events.want(request)),
    });
    const page = pageAt(dashboard);
    set(dashboard, {
      audience: "open",
      GET: (request, http) => pageFile(request, page, guard.mayRead(request, http) ? 200 : 401),
    });
    const other = otherSlash(dashboard);
    if (other !== null) {
      set(other, { audience: "open", GET: (request) => redirect(request, dashboard) });
    }
    // Open, as the login form needs them; they hold no facts about the server.
    for (const [path, file] of PAGE_FILES) {
      set(path, { audience: "open", GET: (request) => pageFile(request, file) });
    }
    open("/session", (request, http) => json(guard.session(request, http)));
    post(
      "/login",
      limited((request, http) => guard.login(request, http)),
    );
    post("/logout", (request, http) => guard.logout(request, http));
    // Not `limited`: an operator must be able to act when all places are taken.
    for (const name of Object.keys(ACTIONS)) {
      const POST: Ask = (request, http) => this.#act(name, request, http);
      set(ADMIN + name, { audience: "act", POST });
    }
    const nameOf = (path: string) => {
      if (path === other) return dashboard;
      return PAGE_FILES.has(path) ? "/dashboard/*" : path;
    };
    this.#names = new Map([...this.#routes.keys()].map((path) => [path, nameOf(path)]));
  }

  /** The name of a path's route: one of few, so that numbers may be kept by it. */
  nameOf(path: string): string {
    const name = this.#names.get(path);
    if (name !== undefined) return name;
    const part = this.#panels.at(path);
    if (part?.kind === "view") return path;
    if (part?.kind === "file") return "/dashboard/*";
    if (part?.kind === "act" && this.#guard.locked) return path;
    if (this.#isAdmins(path)) return `${ADMIN}*`;
    const asked = this.#parts.at(path);
    return asked === null ? "site" : `/${asked.part.name}/*`;
  }

  answer(request: Request, path: string, http: HttpServer): Response | Promise<Response> {
    const route = this.#routes.get(path) ?? this.#ofPanels(path);
    const found = route === undefined && !this.#isAdmins(path) ? this.#parts.at(path) : null;
    if (found !== null) {
      if (this.#host.draining) return stopping();
      const isLocal = this.#guard.isOpen(request, http) && !isOfOtherPage(request);
      return this.#parts.answer(found, request, http, isLocal);
    }
    if (!route && this.#isAdmins(path)) return this.#noAction(request, path, http);
    if (!route || (route.audience === "act" && !this.#guard.locked)) {
      return this.#askSite(request, path, http);
    }
    const method = request.method === "HEAD" ? "GET" : request.method;
    const answer = method === "GET" ? route.GET : method === "POST" ? route.POST : undefined;
    if (!answer) return unanswered(request, route.GET ? ["GET", "HEAD"] : ["POST"], SECURE);
    return this.#guard.refuses(request, route.audience, http) ?? answer(request, http);
  }

  /** The route of a part of a panel, if there is one. */
  #ofPanels(path: string): Route | undefined {
    const part = this.#panels.at(path);
    switch (part?.kind) {
      case "file":
        return { audience: "open", GET: (request) => pageFile(request, part.file) };
      case "view": {
        const { name, view } = part;
        const GET = limited((request, http) => this.#panels.read(name, view, request, http));
        return { audience: view.isPrivate?.() ? "act" : "read", GET };
      }
      case "act": {
        const { name, act: run } = part;
        const POST: Ask = (request, http) =>
          this.#panels.act(name, run, request, whoOf(request, http));
        return { audience: "act", POST };
      }
      case "nothing":
        return part.of === "view"
          ? { audience: "read", GET: () => notThere("view", part.known) }
          : undefined;
      default:
        return undefined;
    }
  }

  /** True for a path that is never the site's, so that no token for a misspelt action gets there. */
  #isAdmins(path: string): boolean {
    return path.startsWith(ADMIN) && this.#guard.locked;
  }

  #askSite(request: Request, path: string, http: HttpServer): Response | Promise<Response> {
    if (this.#host.draining) return stopping();
    const found = this.#site.respond(request, path, http);
    if (found) return found;
    return nothingHere(request);
  }

  #noAction(request: Request, path: string, http: HttpServer): Response {
    if (request.method !== "POST") return nothingHere(request);
    const part = this.#panels.at(path);
    const known = part?.kind === "nothing" ? part.known : Object.keys(ACTIONS);
    return this.#guard.refuses(request, "act", http) ?? notThere("action", known);
  }

  async #act(name: string, request: Request, http: HttpServer): Promise<Response> {
    const fields = await objectOf(request);
    if (fields instanceof Response) return fields;
    try {
      const outcome = await act(name, fields, this.#host as never, whoOf(request, http));
      return json({ ok: true, outcome });
    } catch (error) {
      if (error instanceof Refused) return refusal(error.status, error.message);
      throw error;
    }
  }
}

function stopping(): Response {
  return refusal(503, "The server is stopping.", { connection: "close" });
}

/** Who acts, for the log. */
function whoOf(request: Request, http: HttpServer): string {
  const how = request.headers.get("authorization") ? "token" : "dashboard";
  return `${http.originOf(request).address} (${how})`;
}

function nothingHere({ method }: Request): Response {
  return isForeign(method) ? notImplemented(SECURE) : refusal(404, "There is nothing here.");
}

/** The path of the dashboard with a slash at its end where it has none, and without where it has one; null for the root. */
function otherSlash(dashboard: string): string | null {
  const bare = withoutSlash(dashboard);
  if (bare === "") return null;
  return dashboard === bare ? `${bare}/` : bare;
}

/** Sends a client on to the dashboard, relative to where it is: a proxy may put a prefix before both. */
function redirect(request: Request, dashboard: string): Response {
  const bare = withoutSlash(dashboard);
  const name = bare.slice(bare.lastIndexOf("/") + 1);
  const location = (dashboard === bare ? `../${name}` : `${name}/`) + new URL(request.url).search;
  return new Response(null, { status: 302, headers: { ...SECURE, location } });
}
