/*
 * The floor: the least a broadcast can cost. Bytes from one publisher are
 * written to every listener as they came, one write call each, and nothing
 * else happens: no events, no framing, no envelope.
 *
 * Usage: floor LISTENERS. Prints 127.0.0.1:PORT, accepts that many listeners
 * and then the publisher, and ends when the publisher leaves.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

int main(int argc, char **argv) {
  static char bytes[64 * 1024];
  int count = argc > 1 ? atoi(argv[1]) : 0;
  int *listeners = calloc((size_t)count + 1, sizeof *listeners);
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  int door = socket(AF_INET, SOCK_STREAM, 0);

  if (count < 1 || listeners == NULL) return 2;
  signal(SIGPIPE, SIG_IGN);
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
    for (int i = 0; i < count; i++) {
      for (ssize_t done = 0; done < got;) {
        ssize_t wrote = write(listeners[i], bytes + done, (size_t)(got - done));
        if (wrote < 0) fail("write");
        done += wrote;
      }
    }
  }
}
