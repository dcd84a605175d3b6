import { meansLoopback } from "./loopback.ts";
import { overlay } from "./option.ts";
import type { Config, TlsSettings } from "./table.ts";

/** The variable of the environment that holds the token of the web service. */
export const TOKEN_VARIABLE = "SUMMONER_TOKEN";

/** A contradiction between settings: where it is reported, and what is wrong. */
export interface Contradiction {
  key: string;
  message: string;
  /** The reference accepts this, so its own `server.json` files get a warning instead. */
  reference?: boolean;
}

/** All contradictions of a configuration whose single values are allowed. */
export function contradictions(config: Config): Contradiction[] {
  const found: Contradiction[] = [];
  const policy = config.hyper_parameters.backpressure_policy;
  const steps = [
    ["throttle", policy.enable_throttle, policy.throttle_threshold],
    ["flow_control", policy.enable_flow_control, policy.flow_control_threshold],
    ["disconnect", policy.enable_disconnect, policy.disconnect_threshold],
  ] as const;
  const enabled = steps.filter(([, on]) => on);
  enabled.forEach(([name, , threshold], i) => {
    const next = enabled[i + 1];
    if (next === undefined || threshold <= next[2]) return;
    found.push({
      key: `hyper_parameters.backpressure_policy.${name}_threshold`,
      message: `${threshold} is above ${next[0]}_threshold (${next[2]}), so ${name} would never act; lower it or disable one of the two`,
      reference: true,
    });
  });
  for (const name of ["relay", "store"] as const) {
    const service = config[name];
    if (service.outbox_bytes < 2 * service.max_line_bytes) {
      found.push({
        key: `${name}.outbox_bytes`,
        message: `${service.outbox_bytes} cannot hold two lines of max_line_bytes (${service.max_line_bytes}); every slow moment would close a client`,
      });
    }
    if (service.total_outbox_bytes < service.outbox_bytes) {
      found.push({
        key: `${name}.total_outbox_bytes`,
        message: `${service.total_outbox_bytes} is below outbox_bytes (${service.outbox_bytes}), which one client alone may need`,
      });
    }
  }
  const tlsSections: [string, TlsSettings][] = [["tls", config.tls]];
  for (const service of ["relay", "web", "store"] as const) {
    const own = config[service].tls;
    if (Object.values(own).every((value) => value === null)) continue;
    tlsSections.push([`${service}.tls`, overlay(config.tls, own)]);
  }
  for (const [name, tls] of tlsSections) {
    if ((tls.cert === "") !== (tls.key === "")) {
      const [present, missing] = tls.cert === "" ? ["key", "cert"] : ["cert", "key"];
      found.push({
        key: `${name}.${present}`,
        message: `given without ${missing}; TLS needs both`,
      });
    } else if (tls.require_client_cert && (tls.ca === "" || tls.cert === "")) {
      const missing = tls.cert === "" ? "cert and key" : "ca";
      found.push({
        key: `${name}.require_client_cert`,
        message: `true without ${missing}, so no client could ever be verified`,
      });
    }
  }
  const { web } = config;
  const open = web.enabled && !meansLoopback(web.host);
  if (open && web.token_file === "" && !process.env[TOKEN_VARIABLE]) {
    found.push({
      key: "web.host",
      message: `${web.host} is not loopback, so a token is needed; set ${TOKEN_VARIABLE} in the environment, or web.token_file`,
    });
  }
  const { store } = config;
  const guarded = store.token_file !== "" || store.roles_file !== "" || store.allow_open;
  if (store.enabled && !meansLoopback(store.host) && !guarded) {
    found.push({
      key: "store.host",
      message: `${store.host} is not loopback, so clients need tokens; set store.token_file or store.roles_file, or store.allow_open to let everybody do everything`,
    });
  }
  return found;
}
