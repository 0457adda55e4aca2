/* Keeping the network namespace of the process cheap to open. */
#include "thread.h"

/* An nsfs inode that nobody holds is made anew for each opening, which is a third of
 * the cost of entering. Network namespaces are what is entered in loops, so that of
 * the process is held open, once for all threads, for as long as it is known to be
 * the process's own: it would live anyway. */
static int warm = -1;
static ino_t warm_ino;
static unsigned int warm_epoch;

void pyns_warm_up(unsigned int epoch) {
    struct stat facts;
    unsigned int seen = __atomic_exchange_n(&warm_epoch, epoch, __ATOMIC_RELAXED);
    if (seen == epoch)
        return;
    /* The leader's, whichever thread asks. */
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &facts) < 0) {
        close(fd);
        return;
    }
    warm_ino = facts.st_ino;
    __atomic_store_n(&warm, fd, __ATOMIC_RELEASE);
}

/* A process that has moved on, or was just forked, must not keep it alive. */
void pyns_cool_down(void) {
    struct stat facts;
    int fd = __atomic_exchange_n(&warm, -1, __ATOMIC_ACQ_REL);
    if (fd >= 0 && fstat(fd, &facts) == 0 && facts.st_ino == warm_ino)
        close(fd);
}
