// Who is signed in, and how many asked without the token.

import { patch } from "../../../host/page/dom.js";
import { count, counted } from "../../../host/page/numbers.js";
import { empty, facts, head } from "../../../host/page/pieces.js";

const GLOSS = "Browsers that have shown the token, and may act.";

/** Shows them. */
export function showSessions(node, { sessions }) {
  const { has_token: hasToken, open, most, refused } = sessions;
  const known = [
    ["Signed in", `${counted(open, "browser")} of ${count(most)}`],
    [
      "Refused",
      refused === 0 ? "nobody" : `${counted(refused, "request")} without the right token`,
    ],
  ];
  patch(
    node,
    head("Sessions", null, GLOSS),
    hasToken
      ? facts(known)
      : empty(
          "Nobody can sign in: this server has no token. SUMMONER_TOKEN or web.token_file sets one.",
        ),
  );
}
