/* The network namespace that a socket belongs to; and sockets of our own. */
#include "compat.h"

#include <sys/socket.h>

/* linux/sockios.h, asm/socket.h */
#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* That its length is an int. */
#define MOST ((size_t)1 << 30)

int pyns_netns_of_socket(int fd, int *netns) {
    *netns = ioctl(fd, SIOCGSKNS, 0UL);
    return *netns < 0 ? -errno : 0;
}

/* A number of the namespace's that is never given twice (Linux 5.14). */
int pyns_netns_cookie(int fd, uint64_t *cookie) {
    socklen_t size = sizeof(*cookie);
    return PYNS_RESULT(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size));
}

/* Where both are found even if Python handles a signal first. Neither is in the place of
 * a standard stream that is closed: what is printed would be read as an answer. */
int pyns_socketpair(int *first, int *second) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    int result = pyns_duplicate(ends[0], first);
    if (result == 0)
        result = pyns_duplicate(ends[1], second);
    if (result < 0)
        pyns_release(first);
    close(ends[0]);
    close(ends[1]);
    return result;
}

/* Without a signal where nobody is at the other end. */
int pyns_send(int socket, const char *data, uint64_t offset, uint64_t size) {
    size_t part = size < MOST ? (size_t)size : MOST;
    ssize_t length = send(socket, data + offset, part, MSG_NOSIGNAL);
    return length < 0 ? -errno : (int)length;
}
