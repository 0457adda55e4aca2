/* Keeping the network namespace of the process cheap to open.
 *
 * An nsfs inode that nobody holds is made anew for each opening, which is a third of
 * the cost of entering. Network namespaces are what is entered in loops, so that of
 * the process is held open, once for all threads, while it is known to be the
 * process's own: it would live anyway. A forked child holds none, and nothing is held
 * again once it has been let go. */
#include "thread.h"

static int warm = -1;
static dev_t warm_dev;
static ino_t warm_ino;

/* Tells our descriptor from others of the same namespace: it means nothing on a
 * namespace file, and nobody else asks for it. */
#define MARK O_DSYNC

/* Called once, when the library is first used. */
void pyns_warm_up(void) {
    struct stat facts;
    /* The leader's, whichever thread asks. */
    int fd = open("/proc/self/ns/net", O_RDONLY | O_NONBLOCK | O_CLOEXEC | MARK);
    if (fd < 0)
        return;
    if (pyns_is_nsfs(fd) != 1 || fstat(fd, &facts) < 0) {
        close(fd);
        return;
    }
    warm_dev = facts.st_dev;
    warm_ino = facts.st_ino;
    __atomic_store_n(&warm, fd, __ATOMIC_RELEASE);
}

/* A program may have closed what is not its own, and the number be another's now. */
static int is_ours(int fd) {
    struct stat facts;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && flags & MARK && fstat(fd, &facts) == 0 &&
           facts.st_dev == warm_dev && facts.st_ino == warm_ino;
}

void pyns_cool_down(void) {
    int fd = __atomic_exchange_n(&warm, -1, __ATOMIC_ACQ_REL);
    if (fd >= 0 && is_ours(fd))
        close(fd);
}

/* The leader, having entered nothing, is at `home`: is that what is held? */
void pyns_doubt_warmth(const struct thread *thread, int home) {
    struct stat facts;
    if (__atomic_load_n(&warm, __ATOMIC_RELAXED) < 0 || thread->depth > 0 ||
        syscall(SYS_gettid) != getpid() || fstat(home, &facts) < 0)
        return;
    if (facts.st_dev != warm_dev || facts.st_ino != warm_ino)
        pyns_cool_down();
}
