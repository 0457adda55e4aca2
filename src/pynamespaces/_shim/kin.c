/* One namespace, and those that it leads to: its owner, its parent. */
#include "census.h"

#include <stdio.h>
#include <sys/stat.h>

static const int link_types[] = {
    CLONE_NEWCGROUP, CLONE_NEWIPC,  CLONE_NEWNS,   CLONE_NEWNET,
    CLONE_NEWPID,    CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS};

/* How a namespace was met before, if it was; it is noted there that it was met again. */
struct meeting *met_before(struct worker *worker, uint32_t ino) {
    uint32_t number = map_get(&worker->known, ino);
    if (number == 0)
        return NULL;
    struct meeting *meeting = &worker->meetings[number - 1];
    meeting->is_shared = 1;
    return meeting;
}

static int note_meeting(struct worker *worker, const struct pyns_namespace_row *row,
                        int pid) {
    struct meeting *meeting = tally_meeting(worker);
    if (meeting == NULL)
        return -1;
    *meeting = (struct meeting){.unique = row->unique,
                                .ino = row->ino,
                                .nstype = row->nstype,
                                .pid = pid,
                                .is_held = (int)row->is_held};
    return map_put(worker, &worker->known, row->ino, worker->meeting_count);
}

/* The namespace that another one leads to, and its id. */
static uint32_t follow(struct worker *worker, int fd, unsigned int request,
                       uint64_t *unique) {
    int kin = noted(worker, ioctl(fd, request));
    if (kin < 0)
        return 0; /* It is the first, or above what the caller may know. */
    uint32_t ino = take_namespace(worker, kin, 0);
    uint32_t number = map_get(&worker->known, ino);
    *unique = number == 0 ? 0 : worker->meetings[number - 1].unique;
    return ino;
}

/* Note a namespace that was not met before. The kernel's limits of nesting, of 33, limit
 * how deep this goes. */
static uint32_t introduce(struct worker *worker, int fd, const struct stat *facts,
                          int pid) {
    int nstype = ioctl(fd, NS_GET_NSTYPE);
    struct pyns_namespace_row row = {.dev = facts->st_dev,
                                     .ino = (uint32_t)facts->st_ino,
                                     .nstype = (uint32_t)nstype,
                                     .is_held = worker->may_hold > 0};
    /* Before Linux 6.18 it stays 0. */
    (void)ioctl(fd, NS_GET_ID, &row.unique);
    if (nstype == CLONE_NEWUSER)
        (void)ioctl(fd, NS_GET_OWNER_UID, &row.owner_uid);
    if (nstype < 0 || note_meeting(worker, &row, pid) < 0) {
        close(fd);
        return 0;
    }
    worker->may_hold -= (int)row.is_held;
    row.owner = follow(worker, fd, NS_GET_USERNS, &row.owner_unique);
    if (nstype == CLONE_NEWPID)
        row.parent = follow(worker, fd, NS_GET_PARENT, &row.parent_unique);
    if (!row.is_held)
        close(fd);
    struct pyns_namespace_row *kept = tally_namespace(worker);
    if (kept != NULL)
        *kept = row;
    return row.ino;
}

/* Note a namespace, if it is new; return its inode number, or 0 if it is none. The
 * descriptor is closed at once, or with the worker's table: what is open does not die,
 * and so nobody else gets its number meanwhile. */
uint32_t take_namespace(struct worker *worker, int fd, int pid) {
    struct stat facts;
    uint32_t ino = 0;
    if (fstat(fd, &facts) == 0 && facts.st_dev == worker->plan.nsfs) {
        ino = (uint32_t)facts.st_ino;
        if (met_before(worker, ino) == NULL)
            return introduce(worker, fd, &facts, pid);
    }
    close(fd);
    return ino;
}

/* Note the namespace that a link of a process has led to, if it is new, and return its
 * inode number. By now the link may lead to another, which is then what counts; or
 * nowhere. */
uint32_t meet_link(struct worker *worker, int folder, const char *name, uint32_t ino,
                   int pid) {
    struct meeting *meeting = met_before(worker, ino);
    if (meeting != NULL) {
        if (meeting->pid == 0)
            meeting->pid = pid;
        return ino;
    }
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = noted(worker, openat(folder, name, flags));
    if (fd < 0)
        return 0;
    return take_namespace(worker, fd, pid);
}

static int is_still_there(struct worker *worker, const struct meeting *meeting) {
    struct stat facts;
    uint64_t unique = 0;
    char path[64];
    int link = 0;
    while (link < PYNS_LINK_UTS && link_types[link] != (int)meeting->nstype)
        link++;
    (void)snprintf(path, sizeof(path), "%d/ns/%s", meeting->pid, link_names[link]);
    int fd = noted(worker, openat(worker->plan.proc, path, O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return 0;
    (void)ioctl(fd, NS_GET_ID, &unique);
    int is_same = fstat(fd, &facts) == 0 && facts.st_ino == meeting->ino;
    close(fd);
    return is_same && unique == meeting->unique;
}

/* The kernel gives the number of a namespace that has died to the next one at once. If
 * who was first found in one is still in it, all that were found later with that number
 * were in the same one; else nobody knows. */
void confirm_namespaces(struct worker *worker) {
    for (uint32_t i = 0; i < worker->meeting_count && worker->failed == 0; i++) {
        const struct meeting *meeting = &worker->meetings[i];
        if (!meeting->is_shared || meeting->is_held)
            continue;
        if (meeting->pid == 0 || !is_still_there(worker, meeting))
            tally_doubt(worker, meeting->ino);
    }
}
