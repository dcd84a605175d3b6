// What differs, merged into what was known (RFC 7396): of an object the members that are given, null
// for one that is gone; all else whole. What was known stays as it is.

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export function merged(before, news) {
  if (!isObject(news)) return news;
  const after = isObject(before) ? { ...before } : {};
  for (const [name, value] of Object.entries(news)) {
    if (value === null) delete after[name];
    else after[name] = merged(after[name], value);
  }
  return after;
}
