/* Fresh namespaces, made by a helper task that leaves descriptors of them behind. */
#include "task.h"

struct creation_errand {
    struct trace trace;
    struct pyns_creation what;
};

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
    result = pyns_task_write_maps(trace, &what->setup, -1);
    if (result == 0)
        result = pyns_task_set_up(trace, what->flags, &what->setup, offsets);
    return result < 0 ? result : open_all(trace, what);
}

static int create(struct trace *trace) {
    const struct pyns_creation *what = &((struct creation_errand *)trace)->what;
    int offsets = pyns_task_open_offsets(trace, &what->setup);
    if (offsets < 0 && offsets != -ENODATA)
        return offsets;
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
