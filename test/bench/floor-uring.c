/*
 * The floor with io_uring: what a broadcast costs at least when all its writes
 * are handed to the kernel in one call. Bytes from one publisher are sent to
 * every listener as they came, and nothing else happens: no events, no framing,
 * no envelope. Raw system calls, no library.
 *
 * Usage: floor-uring LISTENERS. Prints 127.0.0.1:PORT, accepts that many
 * listeners and then the publisher, and ends when the publisher leaves.
 */
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 256

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int accept_one(int listener) {
  int on = 1;
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) fail("accept");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static struct io_uring_params params;
static struct io_uring_sqe *entries;
static char *shared;
static int ring;

static unsigned *word(unsigned offset) { return (unsigned *)(shared + offset); }

static void set_up(void) {
  ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &params);
  if (ring < 0) fail("io_uring_setup");
  size_t queue = params.sq_off.array + params.sq_entries * sizeof(unsigned);
  size_t done = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
  int flags = MAP_SHARED | MAP_POPULATE;
  shared = mmap(NULL, queue > done ? queue : done, PROT_READ | PROT_WRITE, flags, ring, IORING_OFF_SQ_RING);
  entries = mmap(NULL, ENTRIES * sizeof *entries, PROT_READ | PROT_WRITE, flags, ring, IORING_OFF_SQES);
  if (shared == MAP_FAILED || entries == MAP_FAILED) fail("mmap");
  for (unsigned i = 0; i < ENTRIES; i++) word(params.sq_off.array)[i] = i;
}

/* Sends the bytes to some listeners by one call, and what is left of each by further ones. */
static void send_to(const int *listeners, int count, const char *bytes, unsigned length) {
  unsigned tail = *word(params.sq_off.tail);
  for (int i = 0; i < count; i++) {
    struct io_uring_sqe *entry = &entries[(tail + (unsigned)i) % ENTRIES];
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_SEND;
    entry->fd = listeners[i];
    entry->addr = (unsigned long)bytes;
    entry->len = length;
    entry->msg_flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    entry->user_data = (unsigned)i;
  }
  *word(params.sq_off.tail) = tail + (unsigned)count;
  long entered = syscall(SYS_io_uring_enter, ring, count, count, IORING_ENTER_GETEVENTS, NULL, 0);
  if (entered != count) fail("io_uring_enter");
  struct io_uring_cqe *done = (struct io_uring_cqe *)(shared + params.cq_off.cqes);
  unsigned head = *word(params.cq_off.head);
  for (; head != *word(params.cq_off.tail); head++) {
    struct io_uring_cqe *one = &done[head % params.cq_entries];
    unsigned sent = one->res > 0 ? (unsigned)one->res : 0;
    while (sent < length) {
      ssize_t more = send(listeners[one->user_data], bytes + sent, length - sent, MSG_NOSIGNAL);
      if (more < 0) fail("send");
      sent += (unsigned)more;
    }
  }
  *word(params.cq_off.head) = head;
}

int main(int argc, char **argv) {
  static char bytes[64 * 1024];
  int count = argc > 1 ? atoi(argv[1]) : 0;
  int *listeners = calloc((size_t)count + 1, sizeof *listeners);
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  int door = socket(AF_INET, SOCK_STREAM, 0);

  if (count < 1 || listeners == NULL) return 2;
  set_up();
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(door, (struct sockaddr *)&address, length) < 0) fail("bind");
  if (listen(door, 1024) < 0) fail("listen");
  if (getsockname(door, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
  printf("127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);

  for (int i = 0; i < count; i++) listeners[i] = accept_one(door);
  int publisher = accept_one(door);

  for (;;) {
    ssize_t got = read(publisher, bytes, sizeof bytes);
    if (got <= 0) return 0;
    for (int i = 0; i < count; i += ENTRIES) {
      int some = count - i < ENTRIES ? count - i : ENTRIES;
      send_to(listeners + i, some, bytes, (unsigned)got);
    }
  }
}
