// Whether this page may act, and what to do where it may not yet.

import { h } from "../../../host/page/dom.js";

const NOTE = "neuro-rights";

/**
 * The rights of the page.
 * @param admin gives "off" without a token at the server, "signed-out" or "signed-in"
 * @param signIn asks for the token
 */
export function rightsOf(admin, signIn) {
  return {
    /** What a button that acts is given. */
    attributes() {
      const now = admin();
      if (now === "signed-in") return {};
      return { "aria-describedby": NOTE, "aria-disabled": now === "off" ? "true" : null };
    },
    /** True if it may act now; else the person is asked for the token, where there is one. */
    may() {
      if (admin() === "signed-out") signIn();
      return admin() === "signed-in";
    },
    /** What to do before acting; null when nothing is. */
    note() {
      const now = admin();
      if (now === "signed-in") return null;
      const how =
        now === "off"
          ? "To act from here, start the server with a token: set SUMMONER_TOKEN."
          : [
              "To act from here, ",
              h("button", { type: "button", onclick: signIn }, "sign in"),
              ".",
            ];
      return h("p", { id: NOTE, class: "rights", key: NOTE }, how);
    },
  };
}
