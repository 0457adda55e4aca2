/* What a process has besides: threads elsewhere, descriptors, mounts. */
#include "census.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

struct tasks {
    int pid;
    const uint32_t *links; /* of the first thread */
};

static int visit_thread(struct worker *worker, int task, int tid, void *context) {
    const struct tasks *tasks = context;
    uint32_t links[PYNS_LINKS] = {0};
    char name[16];
    if (tid == tasks->pid)
        return 0;
    if (tasks->pid == worker->plan.self && is_worker(worker, tid))
        return 0;
    snprintf(name, sizeof(name), "%d", tid);
    int folder = noted(worker, openat(task, name, O_PATH | O_DIRECTORY | O_CLOEXEC));
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
    (void)task;
    *(uint32_t *)context += !is_worker(worker, tid);
    return 0;
}

/* How many threads this process has, but for the workers. */
uint32_t count_own_threads(struct worker *worker, int folder) {
    uint32_t count = 0;
    int task = noted(worker, openat(folder, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (task < 0)
        return 0;
    (void)for_each_number(task, count_thread, worker, &count);
    close(task);
    return count;
}

void visit_threads(struct worker *worker, int folder, int pid, const uint32_t *links) {
    struct tasks tasks = {.pid = pid, .links = links};
    int task = noted(worker, openat(folder, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (task < 0)
        return;
    (void)for_each_number(task, visit_thread, worker, &tasks);
    close(task);
}

struct descriptors {
    int pid;
    int pidfd;    /* -1: not opened yet; -2: it cannot be */
    uint32_t net; /* where the process is */
};

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
    uint32_t ino = 0;
    int net = noted(worker, ioctl(socket, SIOCGSKNS, 0UL));
    close(socket);
    if (net >= 0)
        ino = take_namespace(worker, net, 0);
    return ino;
}

static uint32_t meet_file(struct worker *worker, int folder, const char *name,
                          uint32_t ino) {
    if (met_before(worker, ino) != NULL)
        return ino;
    int fd = noted(worker, openat(folder, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (fd < 0)
        return 0;
    return take_namespace(worker, fd, 0);
}

static int visit_descriptor(struct worker *worker, int folder, int fd, void *context) {
    struct descriptors *of = context;
    struct statx facts;
    char name[16];
    uint32_t ino = 0;
    snprintf(name, sizeof(name), "%d", fd);
    /* Nobody is asked who may not answer, as a file system of the process's own. */
    int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
    if (statx(folder, name, flags, STATX_TYPE | STATX_INO, &facts) < 0)
        return 0;
    int is_socket = S_ISSOCK(facts.stx_mode);
    if (makedev(facts.stx_dev_major, facts.stx_dev_minor) == worker->plan.nsfs)
        ino = meet_file(worker, folder, name, (uint32_t)facts.stx_ino);
    else if (is_socket && worker->plan.want & PYNS_WANT_SOCKETS)
        ino = meet_socket(worker, of, fd);
    if (ino == 0 || (is_socket && ino == of->net))
        return 0;
    struct pyns_file_row *row = tally_file(worker);
    if (row != NULL)
        *row = (struct pyns_file_row){of->pid, fd, ino, (uint32_t)is_socket};
    return 0;
}

void visit_descriptors(struct worker *worker, int folder, int pid, uint32_t net) {
    struct descriptors of = {.pid = pid, .pidfd = -1, .net = net};
    int fds = noted(worker, openat(folder, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int result = fds < 0 ? -errno : for_each_number(fds, visit_descriptor, worker, &of);
    if (result == -EACCES || result == -EPERM)
        tally_refusal(worker, pid, -result, PYNS_WANT_DESCRIPTORS, 0);
    if (fds >= 0)
        close(fds);
    if (of.pidfd >= 0)
        close(of.pidfd);
}

/* The end of the line that begins there, or NULL. */
static char *line_end(char *line, char *end) {
    return memchr(line, '\n', (size_t)(end - line));
}

static void keep_mount(struct worker *worker, const char *line, size_t size, int pid,
                       uint32_t mnt) {
    /* What stands between is escaped, and has no blanks. */
    if (memmem(line, size, " - nsfs ", 8) == NULL)
        return;
    uint32_t offset = tally_text(worker, line, (uint32_t)size);
    struct pyns_mount_row *row = tally_mount(worker);
    if (row != NULL)
        *row = (struct pyns_mount_row){mnt, offset, (uint32_t)size, pid};
}

/* Keep the lines of a mountinfo that mount a namespace. */
static int read_mounts(struct worker *worker, int fd, int pid, uint32_t mnt) {
    char *start = worker->buffer;
    size_t held = 0;
    for (;;) {
        ssize_t part = read(fd, start + held, READ_ROOM - held);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return part < 0 ? -errno : 0;
        char *line = start, *end = start + held + part, *stop;
        for (; (stop = line_end(line, end)) != NULL; line = stop + 1)
            keep_mount(worker, line, (size_t)(stop - line), pid, mnt);
        held = (size_t)(end - line);
        /* No line is longer than a page of the kernel's and a few paths. */
        if (held == READ_ROOM)
            return -EOVERFLOW;
        memmove(start, line, held);
    }
}

/* Read the mounts of a mount namespace, once, by a process that has all in sight. */
void visit_mounts(struct worker *worker, int folder, int pid, uint32_t mnt) {
    char root[2];
    if (map_get(&worker->toured, mnt) != 0)
        return;
    /* A mountinfo begins at the root of the process. */
    if (readlinkat(folder, "root", root, sizeof(root)) != 1 || root[0] != '/')
        return;
    int fd = noted(worker, openat(folder, "mountinfo", O_RDONLY | O_CLOEXEC));
    int result = fd < 0 ? -errno : read_mounts(worker, fd, pid, mnt);
    if (fd >= 0)
        close(fd);
    if (result == 0 && map_put(worker, &worker->toured, mnt, 1) == 0) {
        struct pyns_mount_row *row = tally_mount(worker);
        if (row != NULL)
            row->mnt = mnt;
    }
    else if (result == -EACCES || result == -EPERM)
        tally_refusal(worker, pid, -result, PYNS_WANT_MOUNTS, mnt);
}

static int visit_other(struct worker *worker, int task, int tid, void *context) {
    const int *pid = context;
    char name[16];
    if (tid == *pid)
        return 0;
    snprintf(name, sizeof(name), "%d", tid);
    int folder = noted(worker, openat(task, name, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (folder < 0)
        return 0;
    if (worker->plan.want & PYNS_WANT_DESCRIPTORS)
        visit_descriptors(worker, folder, *pid, 0);
    close(folder);
    return 1;
}

/* A process whose first thread has ended has its descriptors by any other. */
void visit_survivor(struct worker *worker, int folder, int pid) {
    int task = noted(worker, openat(folder, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (task < 0)
        return;
    (void)for_each_number(task, visit_other, worker, &pid);
    close(task);
}
