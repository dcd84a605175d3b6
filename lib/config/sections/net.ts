import { choice } from "../option.ts";
import { section } from "../section.ts";

export const net = section("How bytes leave, for all services.", {
  io: choice(
    "auto",
    ["auto", "writes", "uring"],
    "How the sends of a turn to TCP clients without TLS are given to Linux: `writes` makes a system call for each, `uring` one for all of them, by io_uring; `auto` does that where it can be had and at least three are due. Where rules kill a program that asks for io_uring, only `writes` starts.",
  ),
});
