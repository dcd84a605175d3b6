/** Media types of text that begin with `application/`, without that. */
const TEXTS = new Set([
  "ecmascript",
  "graphql",
  "javascript",
  "json",
  "json-seq",
  "jsonl",
  "ndjson",
  "rtf",
  "sql",
  "toml",
  "x-javascript",
  "x-ndjson",
  "x-sh",
  "x-yaml",
  "xml",
  "xml-dtd",
  "yaml",
]);
/** The suffixes of media types that are text, as `image/svg+xml`. */
const SUFFIXES = ["+json", "+xml", "+yaml"];
const APPLICATION = "application/";
/** The type that `Response.json` sets. */
const JSON_TYPE = "application/json;charset=utf-8";

/** True if a content type is text; others are compressed already, or not worth it. */
export function isText(contentType: string): boolean {
  if (contentType === JSON_TYPE || contentType.startsWith("text/")) return true;
  const end = contentType.indexOf(";");
  const type = (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  if (type.startsWith("text/") || SUFFIXES.some((suffix) => type.endsWith(suffix))) return true;
  return type.startsWith(APPLICATION) && TEXTS.has(type.slice(APPLICATION.length));
}
