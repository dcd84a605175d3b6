import { createRequire } from "node:module";

/** The calls of Linux's C library that Bun does not offer. */
export type Libc = ReturnType<typeof open>;

let known: Libc | undefined;

/** The C library, opened when it is first needed: most starts do without. Linux only. */
export function libc(): Libc {
  known ??= open();
  return known;
}

function open() {
  const { dlopen } = createRequire(import.meta.url)("bun:ffi") as typeof import("bun:ffi");
  // musl answers to this name too.
  return dlopen("libc.so.6", {
    bind: { args: ["int", "ptr", "u32"], returns: "int" },
    clock_gettime: { args: ["int", "ptr"], returns: "int" },
    close: { args: ["int"], returns: "int" },
    dup: { args: ["int"], returns: "int" },
    flock: { args: ["int", "int"], returns: "int" },
    getpeername: { args: ["int", "ptr", "ptr"], returns: "int" },
    getsockname: { args: ["int", "ptr", "ptr"], returns: "int" },
    getsockopt: { args: ["int", "int", "int", "ptr", "ptr"], returns: "int" },
    sendto: { args: ["int", "ptr", "u64", "int", "ptr", "u32"], returns: "i64" },
    setsockopt: { args: ["int", "int", "int", "ptr", "u32"], returns: "int" },
    shutdown: { args: ["int", "int"], returns: "int" },
    socket: { args: ["int", "int", "int"], returns: "int" },
  }).symbols;
}
