import { createRequire } from "node:module";

/** The calls of Linux's C library that Bun does not offer. */
export type Libc = ReturnType<typeof open>;

/** The calls of it by which a ring of io_uring is used. */
export type RingCalls = ReturnType<typeof openRingCalls>;

let known: Libc | undefined;

/** The C library, opened when it is first needed: most starts do without. Linux only. */
export function libc(): Libc {
  known ??= open();
  return known;
}

// musl answers to this name too.
const NAME = "libc.so.6";

function ffi() {
  return createRequire(import.meta.url)("bun:ffi") as typeof import("bun:ffi");
}

function open() {
  return ffi().dlopen(NAME, {
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

/**
 * Opens what a ring needs. It is apart from the rest, since each call costs
 * something to open. @throws Error when the C library cannot be opened
 */
export function openRingCalls() {
  const { dlopen, ptr, read, toArrayBuffer } = ffi();
  const { symbols } = dlopen(NAME, {
    __errno_location: { args: [], returns: "ptr" },
    close: { args: ["int"], returns: "int" },
    mmap: { args: ["ptr", "u64", "int", "int", "int", "i64"], returns: "ptr" },
    // Its results here are small numbers; they are the same in a `long`.
    syscall: { args: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], returns: "int" },
  });
  return { ...symbols, ptr, read, toArrayBuffer };
}
