/* What a process has besides: threads elsewhere, descriptors. */
#include "census.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

#define MOST_GAPS 4

struct tasks {
    int pid;
    const uint32_t *links; /* of the first thread */
};

static int visit_thread(struct worker *worker, int task, int tid, void *context) {
    const struct tasks *tasks = context;
    uint32_t links[PYNS_LINKS] = {0};
    struct number room;
    if (tid == tasks->pid)
        return 0;
    if (tasks->pid == worker->plan.self && is_worker(tid))
        return 0;
    const char *name = name_of(tid, &room);
    int folder = open_within(worker, task, name, O_PATH | O_DIRECTORY);
    if (folder < 0)
        return 0;
    int result = read_links(worker, folder, tid, 0, links);
    close(folder);
    if (result < 0 || memcmp(links, tasks->links, sizeof(links)) == 0)
        return 0;
    struct pyns_thread_row *row = tally_thread(worker);
    if (row != NULL) {
        *row = (struct pyns_thread_row){.pid = tasks->pid, .tid = tid};
        memcpy(row->links, links, sizeof(links));
    }
    return 0;
}

static int count_thread(struct worker *worker, int task, int tid, void *context) {
    struct number room;
    (void)worker;
    const char *name = name_of(tid, &room);
    /* One that has ended since may have been a worker of another census. */
    *(uint32_t *)context += !is_worker(tid) && faccessat(task, name, F_OK, 0) == 0;
    return 0;
}

/* How many threads this process has, but for the workers. */
uint32_t count_own_threads(struct worker *worker, int folder) {
    uint32_t count = 0;
    int task = open_within(worker, folder, "task", O_RDONLY | O_DIRECTORY);
    if (task < 0)
        return 0;
    (void)for_each_number(task, count_thread, worker, &count);
    close(task);
    return count;
}

void visit_threads(struct worker *worker, int folder, int pid, const uint32_t *links) {
    struct tasks tasks = {.pid = pid, .links = links};
    int task = open_within(worker, folder, "task", O_RDONLY | O_DIRECTORY);
    if (task < 0) {
        if (errno == EXDEV)
            tally_refusal(worker, pid, errno, PYNS_WANT_THREADS, 0);
        return;
    }
    (void)for_each_number(task, visit_thread, worker, &tasks);
    close(task);
}

struct descriptors {
    int pid;
    int pidfd;    /* -1: not opened yet; -2: it cannot be */
    uint32_t net; /* where the process is */
    int gaps;     /* numbers that were none */
    int tried;    /* the first that was not tried */
};

/* Close a socket of somebody's. If its owner has closed it meanwhile, that may take as
 * long as it says (SO_LINGER), but not at the end of a thread. */
static void let_go(struct worker *worker, int fd) {
    struct linger linger = {0};
    socklen_t size = sizeof(linger);
    (void)getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size);
    if (linger.l_onoff && worker->may_hold > 0)
        worker->may_hold--;
    else
        close(fd);
}

/* The network namespace of a socket of somebody's. */
static uint32_t meet_socket(struct worker *worker, struct descriptors *of, int fd) {
    if (of->pidfd == -1) {
        of->pidfd = noted(worker, (int)syscall(SYS_pidfd_open, of->pid, 0U));
        if (of->pidfd < 0) {
            of->pidfd = -2;
            return 0;
        }
    }
    if (of->pidfd < 0)
        return 0;
    int socket = noted(worker, (int)syscall(SYS_pidfd_getfd, of->pidfd, fd, 0U));
    if (socket < 0)
        return 0;
    int net = noted(worker, ioctl(socket, SIOCGSKNS, 0UL));
    let_go(worker, socket);
    return net < 0 ? 0 : take_namespace(worker, net, 0);
}

/* Open a descriptor of somebody's, if it is still what it was: to open something else
 * could have consequences, as a terminal or a file of a file system of theirs. */
static uint32_t meet_file(struct worker *worker, int folder, const char *name,
                          uint32_t ino) {
    struct stat facts;
    char path[48];
    if (met_before(worker, ino) != NULL)
        return ino;
    int place = noted(worker, openat(folder, name, O_PATH | O_CLOEXEC));
    if (place < 0)
        return 0;
    int fd = -1;
    (void)snprintf(path, sizeof(path), "thread-self/fd/%d", place);
    if (fstat(place, &facts) == 0 && facts.st_dev == worker->plan.nsfs)
        fd = noted(worker, openat(worker->plan.proc, path, O_RDONLY | O_CLOEXEC));
    close(place);
    return fd < 0 ? 0 : take_namespace(worker, fd, 0);
}

/* Its device, inode number and mode; or -1. Nobody is asked who may not answer, as a
 * file system of the process's own. */
static int look_at(int folder, const char *name, struct stat *facts) {
    struct statx found;
    int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
    /* musl has no function for it before 1.2.5. */
    if (syscall(SYS_statx, folder, name, flags, STATX_TYPE | STATX_INO, &found) == 0) {
        facts->st_dev = makedev(found.stx_dev_major, found.stx_dev_minor);
        facts->st_ino = (ino_t)found.stx_ino;
        facts->st_mode = found.stx_mode;
        return 0;
    }
    /* Some seccomp filters do not know it. */
    if (errno == EPERM || errno == ENOSYS)
        return fstatat(folder, name, facts, AT_NO_AUTOMOUNT);
    return -1;
}

static int visit_descriptor(struct worker *worker, int folder, int fd, void *context) {
    struct descriptors *of = context;
    struct stat facts;
    struct number room;
    uint32_t ino = 0;
    const char *name = name_of(fd, &room);
    if (look_at(folder, name, &facts) < 0) {
        of->gaps++;
        return 0; /* It has been closed, or never was open. */
    }
    int is_socket = S_ISSOCK(facts.st_mode);
    if (facts.st_dev == worker->plan.nsfs)
        ino = meet_file(worker, folder, name, (uint32_t)facts.st_ino);
    else if (is_socket && worker->plan.want & PYNS_WANT_SOCKETS)
        ino = meet_socket(worker, of, fd);
    if (ino == 0 || (is_socket && ino == of->net))
        return 0;
    struct pyns_file_row *row = tally_file(worker);
    if (row != NULL)
        *row = (struct pyns_file_row){of->pid, fd, ino, (uint32_t)is_socket};
    return 0;
}

/* Try the numbers from 0 on until there are no more, or too many gaps. That is cheaper
 * than to list them, for which the kernel looks each of them up as well. */
static int try_descriptors(struct worker *worker, int folder, struct descriptors *of) {
    struct stat facts;
    /* The size is how many there are, since Linux 6.2; before, it is 0. */
    if (fstat(folder, &facts) < 0)
        return 0;
    while (of->tried - of->gaps < facts.st_size && of->gaps < MOST_GAPS)
        (void)visit_descriptor(worker, folder, of->tried++, of);
    return facts.st_size > 0 && of->tried - of->gaps >= facts.st_size;
}

static int visit_rest(struct worker *worker, int folder, int fd, void *context) {
    const struct descriptors *of = context;
    return fd < of->tried ? 0 : visit_descriptor(worker, folder, fd, context);
}

void visit_descriptors(struct worker *worker, int folder, int pid, uint32_t net) {
    struct descriptors of = {.pid = pid, .pidfd = -1, .net = net};
    int fds = open_within(worker, folder, "fd", O_RDONLY | O_DIRECTORY);
    int result = fds < 0 ? -errno : 0;
    if (fds >= 0 && !try_descriptors(worker, fds, &of))
        result = for_each_number(fds, visit_rest, worker, &of);
    if (result == -EACCES || result == -EPERM || result == -EXDEV)
        tally_refusal(worker, pid, -result, PYNS_WANT_DESCRIPTORS, 0);
    if (fds >= 0)
        close(fds);
    if (of.pidfd >= 0)
        close(of.pidfd);
}

static int visit_other(struct worker *worker, int task, int tid, void *context) {
    const int *pid = context;
    struct number room;
    if (tid == *pid)
        return 0;
    const char *name = name_of(tid, &room);
    int folder = open_within(worker, task, name, O_PATH | O_DIRECTORY);
    if (folder < 0)
        return 0;
    if (worker->plan.want & PYNS_WANT_DESCRIPTORS)
        visit_descriptors(worker, folder, *pid, 0);
    close(folder);
    return 1;
}

/* A process whose first thread has ended has its descriptors by any other. */
void visit_survivor(struct worker *worker, int folder, int pid) {
    int task = open_within(worker, folder, "task", O_RDONLY | O_DIRECTORY);
    if (task < 0)
        return;
    (void)for_each_number(task, visit_other, worker, &pid);
    close(task);
}
