/* Starting a program: the stage, where its namespaces are joined and made.
 *
 * Where it then is in the right namespaces itself, it goes on as the program. Into a
 * pid namespace only a child can be born; and a stage that has memory of its own gives
 * way to a child too, so that the caller learns by its end that the program has begun.
 * That is the settler.
 *
 * All share one memory, the caller's or a copy, and the room in it. They allocate
 * nothing, and of the C library call only what is bare of locks. One is at work at a
 * time: the others wait in a system call, so errno is nobody else's either. */
#include "birth.h"

#include <sys/prctl.h>
#include <sys/vfs.h>
#if __has_include(<linux/magic.h>)
#include <linux/magic.h>
#endif

void pyns_fail(struct room *room, int result) {
    if (result < 0 && room->result == 0)
        room->result = result;
}

static int enter_cgroup(struct room *room) {
    struct statfs facts;
    pyns_at(&room->trace, PYNS_STEP_CGROUP, 0);
    if (fstatfs(room->plan.cgroup, &facts) < 0)
        return -errno;
    if (facts.f_type != CGROUP2_SUPER_MAGIC)
        return -EBADF; /* as clone3(2) has it */
    int fd = PYNS_RESULT(
        openat(room->plan.cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC));
    if (fd < 0)
        return fd;
    int result = PYNS_RESULT(write(fd, "0", 1));
    pyns_close(fd);
    return result < 0 ? result : 0;
}

static int hide(void) {
    return PYNS_RESULT(prctl(PR_SET_DUMPABLE, 0));
}

static int joins_user(const struct pyns_spawn *plan) {
    for (int i = 0; i < plan->join_count; i++)
        if (plan->join_types[i] == CLONE_NEWUSER)
            return 1;
    return 0;
}

static int join_all(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    int result = 0, changes_user = joins_user(plan);
    if (changes_user)
        result = pyns_drop_groups(room);
    if (result == 0)
        result = pyns_join_each(&room->trace, plan->join_fds, plan->join_types,
                                plan->join_count);
    if (result == 0 && changes_user)
        result = pyns_drop_groups(room);
    if (result == 0 && plan->be_root)
        result = pyns_become_root(room);
    prctl(PR_SET_PDEATHSIG, room->in_two_steps ? SIGKILL : 0);
    return result;
}

/* Into a user namespace that was made for this program; its maps are written. */
static int enter_made_userns(struct room *room) {
    pyns_at(&room->trace, PYNS_STEP_SETNS, CLONE_NEWUSER);
    int result = PYNS_RESULT(setns(room->plan.userns, CLONE_NEWUSER));
    if (result < 0 || !room->plan.be_root)
        return result;
    result = pyns_drop_groups(room);
    return result < 0 ? result : pyns_become_root(room);
}

static int make_now(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    if (plan->timens >= 0) {
        pyns_at(&room->trace, PYNS_STEP_SETNS, CLONE_NEWTIME);
        if (setns(plan->timens, CLONE_NEWTIME) < 0)
            return -errno;
    }
    pyns_at(&room->trace, PYNS_STEP_UNSHARE, 0);
    return plan->flags ? PYNS_RESULT(unshare((int)plan->flags)) : 0;
}

static int make_fresh(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    int result = room->hides_itself ? hide() : 0;
    if (result == 0 && plan->userns >= 0)
        result = enter_made_userns(room);
    if (result == 0)
        result = make_now(room);
    if (result == 0)
        result = pyns_task_write_maps(&room->trace, &plan->setup, room->proc);
    if (result == 0)
        result =
            pyns_task_set_up(&room->trace, plan->flags, &plan->setup, room->offsets);
    pyns_close(room->offsets);
    pyns_close(room->proc);
    return result;
}

/* With memory and descriptors of its own, have none that are worth taking: others may
 * be where it goes, and have power over it. */
static int retreat(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
    int result = pyns_let_go_of_memory(room);
    if (result < 0 || !plan->close_fds)
        return result; /* The program is to have them. */
    int *kept = room->kept, count = 0;
    for (int fd = 0; fd < 3; fd++)
        kept[count++] = fd;
    for (int i = 0; i < 6; i++)
        kept[count++] = plan->stdio[i];
    for (int i = 0; i < plan->keep_count; i++)
        kept[count++] = plan->keep_fds[i];
    for (int i = 0; i < plan->join_count; i++)
        kept[count++] = plan->join_fds[i];
    const int ours[] = {plan->userns,       plan->timens,        plan->cgroup,
                        plan->init,         plan->guard,         room->offsets,
                        room->channel,      room->parent_pidfd,  room->proc};
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
        kept[count++] = ours[i];
    pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
    return pyns_close_all_but(kept, count);
}

/* To end with the thread that has started it, which waits. */
static int depend_on_caller(const struct room *room) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int parent = getppid(); /* 0: it is in a pid namespace further out */
    return parent == 0 || parent == room->caller ? 0 : -ECANCELED;
}

/* What it writes to, while the /proc that it sees is the caller's. */
static int open_files(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    int offsets = pyns_task_open_offsets(&room->trace, &plan->setup);
    if (offsets < 0 && offsets != -ENODATA)
        return offsets;
    room->offsets = offsets < 0 ? -1 : offsets;
    if (!plan->setup.uid_map[0] && !plan->setup.gid_map[0])
        return 0;
    pyns_at(&room->trace, PYNS_STEP_SETGROUPS, CLONE_NEWUSER);
    room->proc = pyns_open_own_proc();
    return room->proc < 0 ? room->proc : 0;
}

static int prepare(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    int result = 0;
    room->stage_self = getpid();
    /* The caller's: then the channel has no other end, if the caller is gone. */
    pyns_close(room->inbox);
    /* Not who becomes the program. */
    if (room->in_two_steps)
        result = depend_on_caller(room);
    if (result == 0)
        result = open_files(room);
    if (result == 0 && plan->apart)
        result = retreat(room);
    if (result == 0 && plan->guard >= 0)
        result = pyns_start_guard(room);
    if (result == 0 && plan->cgroup >= 0 && (!room->has_clone3 || plan->guard >= 0))
        result = enter_cgroup(room);
    if (result == 0)
        result = join_all(room);
    return result < 0 ? result : make_fresh(room);
}

int pyns_stage(void *argument) {
    struct room *room = argument;
    int result = prepare(room);
    if (result == 0)
        result = room->in_two_steps ? pyns_bear_settler(room) : pyns_become(room);
    pyns_fail(room, result);
    if (room->plan.apart) /* Who is ending may be robbed of them (CVE-2026-46333). */
        syscall(SYS_close_range, 0U, ~0U, 0U);
    __atomic_store_n(&room->done, 1, __ATOMIC_RELEASE);
    return result < 0 ? 127 : 0;
}
