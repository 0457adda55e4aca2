/* One namespace, and those that it leads to: its owner, its parent. */
#include "census.h"

#include <sys/stat.h>

static uint32_t follow(struct worker *worker, int fd, unsigned long request) {
    int kin = ioctl(fd, request);
    if (kin < 0)
        return 0; /* It is the first, or above what the caller may know. */
    uint32_t ino = meet_namespace(worker, kin, 0);
    close(kin);
    return ino;
}

/* The row of a namespace, if it has one; that it was found once more is noted there. */
static struct pyns_namespace_row *known_row(struct worker *worker, uint32_t ino) {
    uint32_t number = map_get(&worker->known, ino);
    if (number == 0)
        return NULL;
    struct pyns_namespace_row *row = &worker->tally.namespaces[number - 1];
    row->is_doubtful = 1;
    return row;
}

/* Note a namespace, if it is new; return its inode number, or 0 if it is none. The
 * kernel's limits of nesting, of 33, limit how deep this goes. */
uint32_t meet_namespace(struct worker *worker, int fd, int pid) {
    struct stat facts;
    if (fstat(fd, &facts) < 0 || facts.st_dev != worker->plan.nsfs)
        return 0;
    uint32_t ino = (uint32_t)facts.st_ino;
    if (known_row(worker, ino) != NULL)
        return ino;
    uint32_t at = worker->tally.namespace_count;
    struct pyns_namespace_row *row = tally_namespace(worker);
    if (row == NULL || map_put(worker, &worker->known, ino, at + 1) < 0)
        return 0;
    row->dev = facts.st_dev;
    row->ino = ino;
    row->pid = pid;
    row->nstype = (uint32_t)ioctl(fd, NS_GET_NSTYPE);
    /* Before Linux 6.18 it stays 0. */
    (void)ioctl(fd, NS_GET_ID, &row->unique);
    if (row->nstype == CLONE_NEWUSER)
        (void)ioctl(fd, NS_GET_OWNER_UID, &row->owner_uid);

    /* Rows may move when there are more of them. */
    int has_parent = row->nstype == CLONE_NEWPID;
    uint32_t owner = follow(worker, fd, NS_GET_USERNS);
    uint32_t parent = has_parent ? follow(worker, fd, NS_GET_PARENT) : 0;
    row = &worker->tally.namespaces[at];
    row->owner = owner;
    row->parent = parent;
    return ino;
}

/* Note the namespace that a link of a process has led to, if it is new, and return its
 * inode number. By now the link may lead to another, which is then what counts; or
 * nowhere. */
uint32_t meet_link(struct worker *worker, int folder, const char *name, uint32_t ino,
                   int pid) {
    struct pyns_namespace_row *row = known_row(worker, ino);
    if (row != NULL) {
        if (row->pid == 0)
            row->pid = pid;
        return ino;
    }
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            worker->failed = -errno;
        return 0;
    }
    ino = meet_namespace(worker, fd, pid);
    close(fd);
    return ino;
}
