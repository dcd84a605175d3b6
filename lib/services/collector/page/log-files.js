// The files: the one that is written, those that were put aside, and the end of the chain of hashes.

import { h, patch } from "../../../host/page/dom.js";
import { bytes, count, counted } from "../../../host/page/numbers.js";
import { adverse, head } from "../../../host/page/pieces.js";

const GLOSS = "When the file is full it is put aside under the next name, and a new one is begun.";
/** A disk with less room than this share of its size is remarked on. */
const LITTLE = 0.05;

function rotated({
  rotated: files,
  rotated_bytes: size,
  compressed,
  most_rotated: most,
  has_more: hasMore,
}) {
  if (files === 0) return `none; ${count(most)} are kept`;
  const packed = compressed > 0 ? `, ${count(compressed)} compressed` : "";
  const more = hasMore ? " and more" : "";
  return `${counted(files, "file")}${more} of ${count(most)}, ${bytes(size)}${packed}`;
}

function room({ free_bytes: free, bytes: all }) {
  const words = `${bytes(free)} of ${bytes(all)} free`;
  return free < all * LITTLE ? adverse(words) : words;
}

/** Shows the files. @param chain the last entry and its hash, or null */
export function showFiles(node, { files, chain }) {
  const fact = ([name, ...value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const facts = [
    ["Current", `${bytes(files.current_bytes)} of ${bytes(files.most_bytes)}`],
    ["Rotated", rotated(files)],
    files.disk !== null && ["Disk", room(files.disk)],
    chain !== null && [
      "Chain",
      h("code", {}, `${chain.entry}:${chain.hash}`),
      h(
        "span",
        { class: "gloss" },
        " noted down elsewhere, it proves this log later: logs verify --head",
      ),
    ],
  ];
  patch(
    node,
    head("Files", null, GLOSS),
    h("dl", { class: "facts" }, facts.filter(Boolean).map(fact)),
  );
}
