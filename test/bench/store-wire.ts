/** The protocol of a key-value server, every request and reply as exact text. */
export interface StoreWire {
  set(key: string, value: string): string;
  get(key: string): string;
  /** The reply to a SET. */
  stored: string;
  /** The reply to a GET of a key that has this value. */
  found(value: string): string;
}

const line = (message: object): string => `${JSON.stringify(message)}\n`;

const json: StoreWire = {
  set: (key, value) => line({ action: "SET", key, value }),
  get: (key) => line({ action: "GET", key }),
  stored: line({ result: "OK" }),
  found: (value) => line({ result: value }),
};

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

const resp: StoreWire = {
  set: (key, value) => `*3\r\n${bulk("SET")}${bulk(key)}${bulk(value)}`,
  get: (key) => `*2\r\n${bulk("GET")}${bulk(key)}`,
  stored: "+OK\r\n",
  found: bulk,
};

export const storeWires = { json, resp };
export type StoreWireName = keyof typeof storeWires;

/** The keys of a benchmark are numbered; all are of one length. */
export interface Keys {
  count: number;
  valueBytes: number;
}

/** The key with this number, such as `key:000123`. */
export const keyOf = (number: number, { count }: Keys): string =>
  `key:${String(number).padStart(String(count).length, "0")}`;

/** The value that a key always holds, so that any reply can be checked at any time. */
export const valueOf = (number: number, { valueBytes }: Keys): string =>
  String(number).padStart(valueBytes, "v");
