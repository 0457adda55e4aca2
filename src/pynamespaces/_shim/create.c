/* Fresh namespaces, made by a helper task that leaves descriptors of them behind. */
#include "task.h"

#include <net/if.h>
#include <sys/mount.h>

struct creation_errand {
    struct trace trace;
    struct pyns_creation what;
};

/* The kernel takes such a file whole, by one write, or not at all. */
static int write_whole(int fd, const char *text) {
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    return written < 0 ? -errno : (size_t)written == length ? 0 : -EIO;
}

static int open_own(const char *name) {
    int folder = pyns_open_own_proc();
    if (folder < 0)
        return folder;
    int fd = pyns_open_in_proc(folder, name, O_WRONLY);
    pyns_close(folder);
    return fd;
}

static int write_own(struct trace *trace, int step, const char *name,
                     const char *text) {
    pyns_at(trace, step, CLONE_NEWUSER);
    if (!*text)
        return 0;
    int fd = open_own(name);
    if (fd < 0)
        return fd;
    int result = write_whole(fd, text);
    pyns_close(fd);
    return result;
}

static int write_maps(struct trace *trace, const struct pyns_creation *what) {
    int result = 0;
    /* Without power outside, a group map may be written only after this. */
    if (what->gid_map[0])
        result = write_own(trace, PYNS_STEP_SETGROUPS, "setgroups", "deny");
    if (result == 0)
        result = write_own(trace, PYNS_STEP_UID_MAP, "uid_map", what->uid_map);
    if (result == 0)
        result = write_own(trace, PYNS_STEP_GID_MAP, "gid_map", what->gid_map);
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

static int set_up(struct trace *trace, const struct pyns_creation *what, int offsets) {
    int result = 0;
    if (what->flags & CLONE_NEWNS) {
        pyns_at(trace, PYNS_STEP_PROPAGATION, CLONE_NEWNS);
        result = make_tree_private();
    }
    if (result == 0 && offsets >= 0) {
        pyns_at(trace, PYNS_STEP_TIME_OFFSETS, CLONE_NEWTIME);
        result = write_whole(offsets, what->time_offsets);
    }
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

/* From a descriptor that it will write the clock offsets to, or -1. */
static int create_with(struct trace *trace, const struct pyns_creation *what,
                       int offsets) {
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
        result = set_up(trace, what, offsets);
    return result < 0 ? result : open_all(trace, what);
}

static int create(struct trace *trace) {
    const struct pyns_creation *what = &((struct creation_errand *)trace)->what;
    int offsets = -1;
    if (what->time_offsets[0]) {
        /* Opened now: what nobody may look into has files that are root's. */
        pyns_at(trace, PYNS_STEP_TIME_OFFSETS, CLONE_NEWTIME);
        offsets = open_own("timens_offsets");
        if (offsets < 0)
            return offsets;
    }
    int result = create_with(trace, what, offsets);
    pyns_close(offsets);
    return result;
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
    else if (what->flags & CLONE_NEWUSER) {
        int style = pyns_style_for_fresh_userns();
        if (style < 0)
            return style;
        errand.trace.style = (enum task_style)style;
    }
    int result = pyns_run_task(create, &errand.trace, sizeof(errand));
    for (int i = 0; result == 0 && i < what->count; i++)
        what->fds[i] = errand.trace.gives[i];
    return result;
}
