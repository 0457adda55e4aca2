/* One process: what it is called, where it is. */
#include "census.h"

#include <stdlib.h>
#include <sys/stat.h>

const char *const link_names[PYNS_LINKS] = {
    "cgroup", "ipc",  "mnt",  "net", "pid",
    "time",   "user", "uts",  "pid_for_children", "time_for_children"};

/* The pid namespace that a thread has made for its children, when none is born yet: then
 * its link leads nowhere. */
static uint32_t meet_pending(struct worker *worker, int tid) {
    if (!worker->plan.has_own_ids)
        return 0;
    int pidfd = (int)syscall(SYS_pidfd_open, tid, 0U);
    if (pidfd < 0)
        pidfd = noted(worker, (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD));
    if (pidfd < 0)
        return 0;
    uint32_t ino = 0;
    int fd = noted(worker, ioctl(pidfd, PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE, 0UL));
    close(pidfd);
    if (fd >= 0)
        ino = take_namespace(worker, fd, 0);
    return ino;
}

/* Read where a thread is, from its folder, as `pid` if it is the first of a process,
 * else as 0; return 0, or -errno of what may not be read. */
int read_links(struct worker *worker, int folder, int tid, int pid, uint32_t *links) {
    int refusal = 0;
    int ns = open_within(worker, folder, "ns", O_PATH | O_DIRECTORY);
    if (ns < 0)
        return -errno;
    for (int link = 0; link < PYNS_LINKS && refusal == 0; link++) {
        links[link] = 0;
        if (!(worker->plan.links & 1U << link))
            continue;
        uint32_t ino = link_inode(ns, link_names[link]);
        int opener = link <= PYNS_LINK_UTS ? pid : 0;
        if (ino != 0)
            links[link] = meet_link(worker, ns, link_names[link], ino, opener);
        /* A zombie has but two of them, and no old kernel has all. */
        else if (errno == EACCES || errno == EPERM)
            refusal = -errno;
        else if (link == PYNS_LINK_PID_FOR_CHILDREN && links[PYNS_LINK_PID] != 0)
            links[link] = meet_pending(worker, tid);
    }
    close(ns);
    return refusal;
}

static char *next_field(char *at) {
    char *space = strchr(at, ' ');
    return space == NULL ? strchr(at, '\0') : space + 1;
}

/* "pid (name) state ppid ...": the name may have anything in it but a null byte. */
static int read_stat(struct worker *worker, int folder, struct pyns_process_row *row) {
    int size = read_record(worker, folder, "stat");
    if (size <= 0)
        return size < 0 ? size : -ESRCH;
    worker->buffer[size < READ_ROOM ? size : READ_ROOM - 1] = '\0';
    char *name = strchr(worker->buffer, '(');
    char *end = strrchr(worker->buffer, ')');
    if (name == NULL || end == NULL || end < name || end[1] != ' ')
        return -ESRCH;
    row->name_size = (uint32_t)(end - name - 1);
    row->name = tally_text(worker, name + 1, row->name_size);

    char *at = next_field(end + 2); /* the fourth; the first is 1 */
    row->ppid = (int32_t)strtol(at, NULL, 10);
    for (int field = 4; field < 20; field++)
        at = next_field(at);
    row->threads = (uint32_t)strtoul(at, NULL, 10);
    row->started = strtoull(next_field(next_field(at)), NULL, 10);
    return 0;
}

/* Keep a file as it is; none where it cannot be read. */
static void keep(struct worker *worker, int folder, const char *name, uint32_t *offset,
                 uint32_t *length) {
    int size = read_record(worker, folder, name);
    if (size <= 0)
        return;
    *length = (uint32_t)size;
    *offset = tally_text(worker, worker->buffer, *length);
}

/* What is in another container than the caller is in another mount namespace. Of the
 * rest this is not read: the kernel makes all who read it wait for each other. */
static void keep_cgroup(struct worker *worker, int folder,
                        struct pyns_process_row *row) {
    if (row->links[PYNS_LINK_MNT] == worker->plan.own_mnt &&
        !(worker->plan.want & PYNS_WANT_OWN_CGROUPS))
        return;
    int size = read_record(worker, folder, "cgroup");
    if (size <= 0)
        return;
    /* Most have the one of their neighbour's. */
    if (worker->cgroup_size != (uint32_t)size ||
        memcmp(worker->tally.text + worker->cgroup, worker->buffer, (size_t)size) != 0) {
        worker->cgroup = tally_text(worker, worker->buffer, (uint32_t)size);
        worker->cgroup_size = (uint32_t)size;
    }
    row->cgroup = worker->cgroup;
    row->cgroup_size = worker->cgroup_size;
}

static void keep_pids_of(struct worker *worker, const char *line, size_t size,
                         void *context) {
    struct pyns_process_row *row = context;
    static const char key[] = "NSpid:\t";
    if (size < sizeof(key) || memcmp(line, key, sizeof(key) - 1) != 0)
        return;
    row->pids_size = (uint32_t)(size - (sizeof(key) - 1));
    row->pids = tally_text(worker, line + sizeof(key) - 1, row->pids_size);
}

/* What it is called in each pid namespace from this /proc's to its own. That stands
 * after all of its groups, which may be many. */
static void keep_pids(struct worker *worker, int folder, struct pyns_process_row *row) {
    int fd = open_within(worker, folder, "status", O_RDONLY);
    if (fd < 0)
        return;
    (void)for_each_line(worker, fd, keep_pids_of, row);
    close(fd);
}

static void visit(struct worker *worker, int folder, int pid) {
    const struct plan *plan = &worker->plan;
    struct pyns_process_row row = {.pid = pid};
    struct stat facts;
    int refusal = read_stat(worker, folder, &row);
    /* Where /proc is mounted with hidepid=1, not even that is everybody's to read. */
    if (refusal == -EACCES || refusal == -EPERM || refusal == -EXDEV)
        tally_refusal(worker, pid, -refusal, 0, 0);
    /* What ends meanwhile is left out. */
    if (refusal < 0 || fstat(folder, &facts) < 0)
        return;
    row.uid = facts.st_uid;
    if (pid == plan->self)
        row.threads = count_own_threads(worker, folder);
    refusal = read_links(worker, folder, pid, pid, row.links);
    if (refusal == -ENOENT || refusal == -ESRCH)
        return;
    if (refusal < 0)
        tally_refusal(worker, pid, -refusal, 0, 0);
    if (plan->want & PYNS_WANT_ARGUMENTS)
        keep(worker, folder, "cmdline", &row.arguments, &row.arguments_size);
    keep_cgroup(worker, folder, &row);
    if (row.links[PYNS_LINK_PID] != plan->own_pid || !plan->has_own_ids)
        keep_pids(worker, folder, &row);

    struct pyns_process_row *kept = tally_process(worker);
    if (kept == NULL)
        return;
    *kept = row;
    if (plan->want & PYNS_WANT_THREADS && row.threads > 1)
        visit_threads(worker, folder, pid, row.links);
    if (refusal < 0)
        return; /* The rest takes the same permission. */
    if (row.links[PYNS_LINK_MNT] == 0 && row.threads > 1) {
        visit_survivor(worker, folder, pid);
        return;
    }
    if (plan->want & PYNS_WANT_DESCRIPTORS)
        visit_descriptors(worker, folder, pid, row.links[PYNS_LINK_NET]);
    if (plan->want & PYNS_WANT_MOUNTS && row.links[PYNS_LINK_MNT] != 0)
        visit_mounts(worker, folder, pid, row.links[PYNS_LINK_MNT]);
}

void visit_process(struct worker *worker, int pid) {
    struct number room;
    const char *name = name_of(pid, &room);
    int folder = open_within(worker, worker->plan.proc, name, O_PATH | O_DIRECTORY);
    if (folder < 0) {
        if (errno == EXDEV)
            tally_refusal(worker, pid, errno, 0, 0);
        return;
    }
    visit(worker, folder, pid);
    close(folder);
}
