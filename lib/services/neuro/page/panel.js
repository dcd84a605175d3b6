// The panel of the Neuro service.

/** Shows the panel in a node of the page. */
export function mount() {
  return { changed() {} };
}
