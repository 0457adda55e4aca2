/* The calling thread's own namespaces.
 *
 * Namespaces belong to threads, and /proc/self and pidfd_open(getpid()) speak of the
 * leader. So each thread keeps a pidfd of itself (PIDFD_THREAD, Linux 6.9) and asks
 * it for its namespaces by ioctl (6.11), which costs a third of opening the link
 * under /proc/thread-self/ns; where the kernel has neither, the link is opened. */
#include "thread.h"

/* The likeliest first: this is searched on every entry. */
const struct type_facts pyns_types[MAX_TYPES] = {
    {CLONE_NEWNET, "net", PIDFD_GET_NET_NAMESPACE, NULL, 0},
    {CLONE_NEWNS, "mnt", PIDFD_GET_MNT_NAMESPACE, NULL, 0},
    {CLONE_NEWUTS, "uts", PIDFD_GET_UTS_NAMESPACE, NULL, 0},
    {CLONE_NEWIPC, "ipc", PIDFD_GET_IPC_NAMESPACE, NULL, 0},
    {CLONE_NEWPID, "pid", PIDFD_GET_PID_NAMESPACE, "pid_for_children",
     PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE},
    {CLONE_NEWCGROUP, "cgroup", PIDFD_GET_CGROUP_NAMESPACE, NULL, 0},
    {CLONE_NEWTIME, "time", PIDFD_GET_TIME_NAMESPACE, "time_for_children",
     PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE},
    {CLONE_NEWUSER, "user", PIDFD_GET_USER_NAMESPACE, NULL, 0},
};

/* Set once the kernel has shown that it lacks the ioctls on pidfds. */
static int no_pidfd_ioctls;

int pyns_index_of(int nstype) {
    for (int i = 0; i < MAX_TYPES; i++)
        if (pyns_types[i].nstype == nstype)
            return i;
    return -1;
}

/* Whether the descriptor still is the one that we opened: a program may close
 * descriptors that it does not own, and the number may live again. */
int pyns_is_own_pidfd(const struct thread *thread) {
    struct stat facts;
    return thread->pidfd >= 0 && fstat(thread->pidfd, &facts) == 0 &&
           facts.st_dev == thread->pidfd_dev && facts.st_ino == thread->pidfd_ino;
}

void pyns_drop_pidfd(struct thread *thread) {
    if (pyns_is_own_pidfd(thread))
        close(thread->pidfd);
    thread->pidfd = -1;
}

static int is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOMEM;
}

/* Open the thread's directory of links. Where the thread has entered a mount namespace
 * that it should not trust, this must have been done before. */
static int open_directory(void) {
    int fd = open("/proc/thread-self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (pyns_is_procfs(fd) == 1)
        return fd;
    close(fd);
    return -ENOENT;
}

static int open_pidfd_or_directory(struct thread *thread) {
    thread->is_directory = __atomic_load_n(&no_pidfd_ioctls, __ATOMIC_RELAXED);
    if (thread->is_directory)
        return open_directory();
    pid_t tid = (pid_t)syscall(SYS_gettid);
    int result = PYNS_RESULT(syscall(SYS_pidfd_open, tid, PIDFD_THREAD));
    if (result >= 0 || is_shortage(-result))
        return result;
    __atomic_store_n(&no_pidfd_ioctls, 1, __ATOMIC_RELAXED);
    thread->is_directory = 1;
    return open_directory();
}

/* Make sure that thread->pidfd is this thread's. 0, or -errno. */
static int refresh_pidfd(struct thread *thread) {
    unsigned int epoch = pyns_epoch();
    if (thread->pidfd >= 0 && thread->epoch == epoch && epoch)
        return 0;
    pyns_drop_pidfd(thread);
    if (!epoch)
        return -ENOSYS;
    int fd = open_pidfd_or_directory(thread);
    if (fd < 0)
        return fd;
    struct stat facts;
    if (fstat(fd, &facts) < 0) {
        pyns_close(fd);
        return -errno;
    }
    thread->pidfd = fd;
    thread->pidfd_dev = facts.st_dev;
    thread->pidfd_ino = facts.st_ino;
    thread->epoch = epoch;
    return 0;
}

static int ask(struct thread *thread, unsigned int request, const char *link) {
    if (thread->is_directory)
        return PYNS_RESULT(openat(thread->pidfd, link, O_RDONLY | O_CLOEXEC));
    /* The argument must be a 0 that is really there. */
    return PYNS_RESULT(ioctl(thread->pidfd, request, 0UL));
}

/* By path, each time: where nothing can be kept. */
static int open_link(const char *link) {
    int directory = open_directory();
    if (directory < 0)
        return directory;
    int fd = openat(directory, link, O_RDONLY | O_CLOEXEC);
    pyns_close(directory);
    return fd < 0 ? -errno : fd;
}

/* Open one of the thread's namespaces, trusting that its pidfd is its own. */
int pyns_open_own(struct thread *thread, int index, int for_children) {
    const struct type_facts *facts = &pyns_types[index];
    if (!facts->child_link)
        for_children = 0;
    const char *link = for_children ? facts->child_link : facts->link;
    unsigned int request = for_children ? facts->child_request : facts->request;
    for (int attempt = 0; attempt < 3; attempt++) {
        int result = refresh_pidfd(thread);
        if (result < 0 && is_shortage(-result))
            return result;
        if (result < 0)
            break;
        result = ask(thread, request, link);
        if (result >= 0 || is_shortage(-result))
            return result;
        if (!pyns_is_own_pidfd(thread)) {
            thread->pidfd = -1; /* Closed by a stranger; the number is theirs now. */
            continue;
        }
        if (thread->is_directory)
            return result;
        if (result != -ENOTTY && result != -EINVAL)
            break;
        /* Before Linux 6.11. */
        __atomic_store_n(&no_pidfd_ioctls, 1, __ATOMIC_RELAXED);
        pyns_drop_pidfd(thread);
    }
    return open_link(link);
}

/* After open_own: whether what it opened came from a descriptor that had become
 * another's. If so that descriptor is forgotten, and asking again is right. */
int pyns_was_misled(struct thread *thread) {
    if (thread->pidfd < 0 || pyns_is_own_pidfd(thread))
        return 0;
    thread->pidfd = -1;
    return 1;
}

int pyns_open_own_surely(struct thread *thread, int index, int for_children) {
    int fd = pyns_open_own(thread, index, for_children);
    if (fd < 0 || !pyns_was_misled(thread))
        return fd;
    close(fd);
    return pyns_open_own(thread, index, for_children);
}

int pyns_own_namespace(int nstype, int for_children) {
    struct thread *thread = pyns_self();
    int index = pyns_index_of(nstype);
    if (!thread)
        return -ENOMEM;
    if (index < 0)
        return -EINVAL;
    return pyns_open_own_surely(thread, index, for_children);
}

/* Whether the calling thread is in a namespace, or (for_children) its children will be.
 */
int pyns_is_current(int nstype, int for_children, uint64_t dev, uint64_t ino) {
    struct stat facts;
    int fd = pyns_own_namespace(nstype, for_children);
    if (fd < 0)
        return fd;
    int result = PYNS_RESULT(fstat(fd, &facts));
    if (result == 0)
        result = facts.st_dev == dev && facts.st_ino == ino;
    pyns_close(fd);
    return result;
}
