// Words of the Relay panel.

import { h } from "../../../host/page/dom.js";
import { span } from "../../../host/page/numbers.js";

/** The rules of pressure, by the names that the server knows. */
export const RULES = {
  throttle: { name: "throttle", does: (ms) => `one line each ${span(ms)}` },
  flow_control: { name: "flow control", does: (ms) => `one line each ${span(ms)}` },
  disconnect: {
    name: "disconnect",
    does: (ms) =>
      ms > 0
        ? ["closed, and in quarantine for ", h("span", { class: "whole" }, span(ms))]
        : "closed",
  },
};

export const GLOSSARY = [
  ["Fan-out", "The number of other clients that a line goes to. It is the same for all senders."],
  ["Pressure", "Rules by which senders are slowed down or closed when their lines go to many."],
  ["Held", "Not read for a while: what the client has sent meanwhile waits, and nothing is lost."],
  ["Waiting in memory", "What was relayed and its readers have not taken yet."],
  ["Backlog", "Above the bound all senders are paused until their readers have caught up."],
];
