/* Fresh namespaces, made by a helper task that leaves descriptors of them behind. */
#include "task.h"

#include <net/if.h>
#include <sys/mount.h>

struct creation_errand {
    struct trace trace;
    struct pyns_creation what;
};

/* The kernel takes such a file whole, by one write, or not at all. */
static int write_own(struct trace *trace, int step, int nstype, const char *name,
                     const char *text) {
    const int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    pyns_at(trace, step, nstype);
    size_t length = strlen(text);
    if (length == 0)
        return 0;
    int folder = pyns_open_own_proc();
    if (folder < 0)
        return folder;
    int fd = PYNS_RESULT(openat(folder, name, flags));
    pyns_close(folder);
    if (fd < 0)
        return fd;
    /* Another file could have been mounted on this one. */
    int result = pyns_is_procfs(fd) == 1 ? 0 : -ENOENT;
    if (result == 0) {
        ssize_t written = write(fd, text, length);
        result = written < 0 ? -errno : (size_t)written == length ? 0 : -EIO;
    }
    pyns_close(fd);
    return result;
}

static int write_maps(struct trace *trace, const struct pyns_creation *what) {
    const int user = CLONE_NEWUSER;
    int result = 0;
    /* Without power outside, a group map may be written only after this. */
    if (what->gid_map[0])
        result = write_own(trace, PYNS_STEP_SETGROUPS, user, "setgroups", "deny");
    if (result == 0)
        result = write_own(trace, PYNS_STEP_UID_MAP, user, "uid_map", what->uid_map);
    if (result == 0)
        result = write_own(trace, PYNS_STEP_GID_MAP, user, "gid_map", what->gid_map);
    return result;
}

static uint64_t own_mnt_id(void) {
    uint64_t id = 0;
    int fd = pyns_task_own_namespace(CLONE_NEWNS);
    if (fd >= 0) {
        (void)ioctl(fd, NS_GET_ID, &id);
        close(fd);
    }
    return id;
}

/* A mount namespace may be pinned only in an older one, and since Linux 6.18 the age
 * is judged by ids that each processor gives out by itself: on the wrong one, a fresh
 * namespace looks older than those before it. So it is made again on another. */
static void make_mnt_look_younger(uint64_t before) {
    cpu_set_t allowed, one;
    if (!before || sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return;
    for (size_t cpu = 0; cpu < CPU_SETSIZE && own_mnt_id() <= before; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one) < 0 || unshare(CLONE_NEWNS) < 0)
            return;
    }
}

/* Stop mounts from spreading, in the whole tree, although the root may be one that
 * chroot has given: entering one's own mount namespace leads to its top. */
static int make_tree_private(void) {
    int own = pyns_task_own_namespace(CLONE_NEWNS);
    if (own < 0)
        return own;
    /* Without CAP_SYS_CHROOT it is refused; then there is no chroot either. */
    int result = PYNS_RESULT(setns(own, CLONE_NEWNS));
    close(own);
    return result < 0 && result != -EPERM ? result : pyns_make_root_private();
}

static int set_up(struct trace *trace, const struct pyns_creation *what) {
    int result = 0;
    if (what->flags & CLONE_NEWNS) {
        pyns_at(trace, PYNS_STEP_PROPAGATION, CLONE_NEWNS);
        result = make_tree_private();
    }
    if (result == 0 && what->flags & CLONE_NEWTIME)
        result = write_own(trace, PYNS_STEP_TIME_OFFSETS, CLONE_NEWTIME,
                           "timens_offsets", what->time_offsets);
    if (result == 0 && what->hostname_length >= 0) {
        pyns_at(trace, PYNS_STEP_NAME, CLONE_NEWUTS);
        result =
            PYNS_RESULT(sethostname(what->hostname, (size_t)what->hostname_length));
    }
    if (result == 0 && what->loopback) {
        pyns_at(trace, PYNS_STEP_LOOPBACK, CLONE_NEWNET);
        result = pyns_loopback_up();
    }
    return result;
}

static int open_all(struct trace *trace, const struct pyns_creation *what) {
    int result = 0;
    for (int i = 0; i < what->count && result == 0; i++) {
        pyns_at(trace, PYNS_STEP_HOME, what->nstypes[i]);
        result = pyns_give(trace, pyns_task_own_namespace(what->nstypes[i]));
    }
    return result;
}

static int create(struct trace *trace) {
    struct pyns_creation *what = &((struct creation_errand *)trace)->what;
    int result = 0;
    if (what->owner >= 0)
        result = pyns_task_enter_userns(trace, what->owner);
    if (result < 0)
        return result;
    uint64_t mnt_before = what->flags & CLONE_NEWNS ? own_mnt_id() : 0;
    pyns_at(trace, PYNS_STEP_UNSHARE, 0);
    if (unshare((int)what->flags) < 0)
        return -errno;
    make_mnt_look_younger(mnt_before);
    result = write_maps(trace, what);
    if (result == 0)
        result = set_up(trace, what);
    return result < 0 ? result : open_all(trace, what);
}

/* Make what->flags; the fds are the caller's to close, and -1 after a failure. */
int pyns_create(struct pyns_creation *what) {
    struct creation_errand errand = {.what = *what};
    for (int i = 0; i < MAX_TYPES; i++)
        what->fds[i] = -1;
    if (what->count < 0 || what->count > MAX_TYPES)
        return -EINVAL;
    pyns_use(&errand.trace, what->owner);
    if (what->owner >= 0)
        errand.trace.style = TASK_APART;
    else if (what->flags & CLONE_NEWUSER && pyns_is_powerful())
        errand.trace.style = TASK_HIDDEN;
    int result = pyns_run_task(create, &errand.trace, sizeof(errand));
    if (result == -EACCES && errand.trace.style == TASK_HIDDEN) {
        /* Root of a user namespace that it has not executed a program in may not write
         * the files of what is undumpable. */
        errand = (struct creation_errand){.what = *what};
        result = pyns_run_task(create, &errand.trace, sizeof(errand));
    }
    for (int i = 0; result == 0 && i < what->count; i++)
        what->fds[i] = errand.trace.gives[i];
    return result;
}
