import { keyText } from "../../../../config/shown.ts";

/**
 * The path at which something lacks what is wanted, or null when it has all of
 * it: of an object the wanted keys, of a list the wanted items in any order.
 */
export function lacking(
  found: unknown,
  wanted: unknown,
  path: readonly string[] = [],
): string | null {
  if (Array.isArray(wanted)) {
    const list: readonly unknown[] = Array.isArray(found) ? found : [];
    const at = wanted.findIndex((item) => !list.some((one) => lacking(one, item) === null));
    return at < 0 ? null : pathText([...path, String(at)]);
  }
  if (typeof wanted !== "object" || wanted === null) {
    return Object.is(found, wanted) ? null : pathText(path);
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) return pathText(path);
  for (const [key, value] of Object.entries(wanted)) {
    const inner = [...path, key];
    if (!Object.hasOwn(found, key)) return pathText(inner);
    const missing = lacking((found as Record<string, unknown>)[key], value, inner);
    if (missing !== null) return missing;
  }
  return null;
}

function pathText(path: readonly string[]): string {
  return path.length === 0 ? "its root" : keyText(path);
}
