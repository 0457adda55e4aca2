/* The mounts of a mount namespace: which of them are namespaces. */
#include "census.h"

#include <sys/stat.h>

struct tour {
    int pid;
    uint32_t mnt;
    uint32_t lines;
    int has_root; /* a mount on the root was listed: the process is not somewhere else */
};

/* The fifth field is where it is mounted. */
static int is_on_root(const char *line, size_t size) {
    const char *at = line, *end = line + size;
    for (int field = 1; field < 5 && at != NULL; field++) {
        at = memchr(at, ' ', (size_t)(end - at));
        at = at == NULL ? NULL : at + 1;
    }
    return at != NULL && end - at >= 2 && at[0] == '/' && at[1] == ' ';
}

static void keep_mount(struct worker *worker, const char *line, size_t size,
                       void *context) {
    struct tour *tour = context;
    tour->lines++;
    tour->has_root |= is_on_root(line, size);
    /* What stands between is escaped, and has no blanks. */
    if (memmem(line, size, " - nsfs ", 8) == NULL)
        return;
    uint32_t offset = tally_text(worker, line, (uint32_t)size);
    struct pyns_mount_row *row = tally_mount(worker);
    if (row != NULL)
        *row = (struct pyns_mount_row){tour->mnt, offset, (uint32_t)size, tour->pid};
}

/* How many mounts it has by the kernel's count; 0: that cannot be asked (Linux 6.12). */
static uint32_t count_mounts(struct worker *worker, int folder) {
    struct mnt_ns_info info = {.size = sizeof(info)};
    int fd = noted(worker, openat(folder, "ns/mnt", O_RDONLY | O_CLOEXEC));
    if (fd < 0)
        return 0;
    if (ioctl(fd, NS_MNT_GET_INFO, &info) < 0)
        info.nr_mounts = 0;
    close(fd);
    return info.nr_mounts;
}

static void note_tour(struct worker *worker, uint32_t mnt) {
    struct pyns_mount_row *row = tally_mount(worker);
    if (row != NULL)
        row->mnt = mnt;
}

/* Read the mounts of a mount namespace, once, by a process that has all in sight: a
 * mountinfo begins at the root of the process, and has what lies below that. */
void visit_mounts(struct worker *worker, int folder, int pid, uint32_t mnt) {
    struct tour tour = {.pid = pid, .mnt = mnt};
    char root[2];
    if (map_get(&worker->toured, mnt) != 0)
        return;
    if (readlinkat(folder, "root", root, sizeof(root)) != 1 || root[0] != '/')
        return;
    int fd = open_within(worker, folder, "mountinfo", O_RDONLY);
    int result = fd < 0 ? -errno : for_each_line(worker, fd, keep_mount, &tour);
    if (fd >= 0)
        close(fd);
    if (result == -EACCES || result == -EPERM || result == -EOVERFLOW)
        tally_refusal(worker, pid, -result, PYNS_WANT_MOUNTS, mnt);
    /* Once is enough, also where it was too much. */
    int is_whole = result == 0 && tour.has_root &&
                   tour.lines + 1 >= count_mounts(worker, folder);
    if (is_whole || result == -EOVERFLOW)
        (void)map_put(worker, &worker->toured, mnt, 1);
    /* The first root, below all, is in nobody's sight. */
    if (is_whole)
        note_tour(worker, mnt);
}
