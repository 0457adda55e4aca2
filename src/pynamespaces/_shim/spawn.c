/* Starting a program: the caller's side.
 *
 * Where the stage shares this process's memory (vfork(2)), the calling thread is
 * suspended by the kernel until the program has begun. Where it has a copy, the caller
 * waits for the end of the stage, and may handle signals meanwhile. Either way all that
 * is needed is in the room, and the children only read it.
 *
 * The children send no signal before they have executed something, the program or an
 * init or a guard: only then the kernel makes it SIGCHLD. So a child that still has
 * none when it ends has failed. */
#include "birth.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int joins_pid(const struct pyns_spawn *spawn) {
    for (int i = 0; i < spawn->join_count; i++)
        if (spawn->join_types[i] == CLONE_NEWPID)
            return 1;
    return 0;
}

static int has_channel(const struct room *room) {
    return room->in_two_steps || room->plan.filter;
}

static int take_over(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int guard_pid = 0, result = 1;
    if (has_channel(room)) {
        /* As many as there are handles to come: there is room for them. */
        pyns_close_and_forget(&room->stage_pidfd);
        pyns_close_and_forget(&room->channel);
        pyns_close_and_forget(&room->parent_pidfd);
        pyns_close_and_forget(&room->spare);
        result = pyns_take_handles(spawn, &guard_pid);
    }
    if (room->result < 0)
        return room->result;
    /* It was killed if it did not come to its end; nobody knows then what is left. */
    if (result == 0 || (room->in_two_steps && !room->done))
        return -ECANCELED;
    if (result < 0)
        return result;
    return pyns_died_before_execve(spawn->pidfd) ? -ECANCELED : 0;
}

/* The stage is gone, or has become the program. */
static int finish(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    room->stage = 0;
    int result = take_over(spawn);
    spawn->step = room->trace.step;
    spawn->nstype = room->trace.nstype;
    if (result < 0) {
        pyns_spawn_abandon(spawn);
        return result;
    }
    if (spawn->init >= 0) {
        spawn->channel = room->inbox;
        room->inbox = -1;
    }
    pyns_close_and_forget(&spawn->resident);
    pyns_leave_room(spawn);
    return 0;
}

static void reap_stage(const struct room *room) {
    siginfo_t info;
    while (pyns_wait_for(room->stage_pidfd, room->stage, &info, WEXITED | __WALL) < 0 &&
           errno == EINTR)
        ;
}

/* --- before it ------------------------------------------------------------------- */

/* To have them on record before they can be lost. */
static int open_channel(struct room *room) {
    int ends[2] = {-1, -1}, on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    room->inbox = ends[0];
    room->channel = ends[1];
    if (setsockopt(room->inbox, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
        return -errno;
    if (room->plan.filter) {
        room->spare = PYNS_RESULT(fcntl(room->inbox, F_DUPFD_CLOEXEC, 0));
        if (room->spare < 0)
            return room->spare;
    }
    if (room->plan.guard >= 0)
        room->parent_pidfd = PYNS_RESULT(syscall(SYS_pidfd_open, room->caller, 0));
    return room->plan.guard >= 0 && room->parent_pidfd < 0 ? room->parent_pidfd : 0;
}

static int is_of_cgroup(int number) {
    return number == EBADF || number == EACCES || number == ENOENT ||
           number == ENODEV || number == EOPNOTSUPP || number == EBUSY;
}

/* Between these, children of the calling thread are born where it is itself. */
static int come_home(struct pyns_spawn *spawn, int *children) {
    struct thread *thread = pyns_self();
    *children = -1;
    if (spawn->at_home < 0)
        return 0;
    pyns_at(&((struct room *)spawn->room)->trace, PYNS_STEP_SETNS, CLONE_NEWPID);
    *children = pyns_open_own_surely(thread, pyns_index_of(CLONE_NEWPID), 1);
    if (*children < 0)
        return *children;
    return PYNS_RESULT(setns(spawn->at_home, CLONE_NEWPID));
}

static void leave_home(int children) {
    if (children >= 0 && setns(children, CLONE_NEWPID) < 0)
        pyns_self()->lost = errno; /* Its next child would be born in the wrong one. */
    pyns_close(children);
}

/* Have the stage born; all signals are blocked, in it until it becomes the program. */
static int bear_stage(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int pidfd = -1;
    struct birth birth = {
        .flags = spawn->apart ? 0 : CLONE_VM | CLONE_VFORK,
        /* Else the guard would be in there too. */
        .cgroup = spawn->guard >= 0 ? -1 : spawn->cgroup,
        .pidfd = &pidfd,
        .stack = pyns_stack_of(room, ROLE_STAGE),
        .stack_size = ROLE_STACK,
        .entry = pyns_stage,
        .argument = room,
    };
    birth.flags |= CLONE_CLEAR_SIGHAND;
    room->signals = pyns_block_signals();
    int children, pid = come_home(spawn, &children);
    if (pid == 0) {
        pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
        pid = pyns_bear(&birth);
        /* EPERM is a filter's: the kernel refuses no such child for want of power. */
        if (pid == -ENOSYS || pid == -EPERM) {
            room->has_clone3 = 0;
            pid = pyns_bear_old(&birth);
        }
    }
    leave_home(children);
    pyns_restore_signals(room->signals);
    if (pid < 0) {
        if (room->has_clone3 && birth.cgroup >= 0 && is_of_cgroup(-pid) &&
            room->trace.step == PYNS_STEP_CLONE)
            pyns_at(&room->trace, PYNS_STEP_CGROUP, 0);
        return pid;
    }
    room->stage = room->stage_pid = pid;
    if (room->in_two_steps)
        room->stage_pidfd = pidfd;
    else {
        spawn->pid = pid;
        spawn->pidfd = pidfd;
    }
    return 0;
}

/* Who has power in a fresh user namespace must not look into this process meanwhile, or
 * into the child's copy. */
static int hide_if_needed(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    if (!(spawn->flags & CLONE_NEWUSER) && spawn->userns < 0)
        return 0;
    int result = pyns_style_for_fresh_userns();
    if (result < 0)
        pyns_at(&room->trace, PYNS_STEP_SETGROUPS, CLONE_NEWUSER);
    if (result != TASK_HIDDEN)
        return result < 0 ? result : 0;
    if (spawn->apart) {
        room->hides_itself = 1;
        return 0;
    }
    result = pyns_hide();
    room->is_hiding = result == 0;
    return result;
}

/* Where a child of this thread is born among others in a pid namespace, or the program
 * is to be, they may stop it, and who has power over them, look into it: it gets memory
 * of its own. */
static int choose_way(struct pyns_spawn *spawn) {
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    int birthplace = spawn->at_home >= 0 ? BORN_AT_HOME : pyns_birthplace(thread);
    if (birthplace < 0 && birthplace != -PYNS_EINIT)
        return birthplace;
    spawn->apart |= birthplace == BORN_AMONG_OTHERS || joins_pid(spawn);
    int in_two_steps =
        spawn->apart || spawn->guard >= 0 || spawn->flags & CLONE_NEWPID;
    /* The stage would be the init, and ends at once. */
    return birthplace < 0 && in_two_steps ? birthplace : in_two_steps;
}

static int start(struct pyns_spawn *spawn) {
    spawn->step = PYNS_STEP_CLONE;
    int in_two_steps = choose_way(spawn);
    if (in_two_steps < 0)
        return in_two_steps;
    spawn->step = PYNS_STEP_MEMORY;
    struct room *room = pyns_make_room(spawn);
    if (!room)
        return -ENOMEM;
    spawn->room = room;
    room->in_two_steps = in_two_steps;
    pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
    int result = has_channel(room) ? open_channel(room) : 0;
    if (result == 0)
        result = hide_if_needed(spawn);
    if (result == 0)
        result = bear_stage(spawn);
    spawn->step = room->trace.step;
    spawn->nstype = room->trace.nstype;
    return result;
}

/* Start the program, by a record that was cleared before. 0: it has begun, and what is
 * open is the caller's. 1: the caller is to go on with pyns_spawn_wait. Negative:
 * nothing is left of it. */
int pyns_spawn(struct pyns_spawn *spawn) {
    int result = start(spawn);
    if (result < 0) {
        pyns_spawn_abandon(spawn);
        return result;
    }
    const struct room *room = spawn->room;
    if (spawn->apart)
        return 1;
    if (room->in_two_steps)
        reap_stage(room);
    return finish(spawn);
}

/* Whether a child has been stopped, which others may have power to. */
static int is_stopped(int pidfd, int pid) {
    siginfo_t info = {.si_pid = 0};
    unsigned int options = WSTOPPED | WNOHANG | WNOWAIT | __WALL;
    return (pidfd >= 0 || pid > 0) && pyns_wait_for(pidfd, pid, &info, options) == 0 &&
           info.si_pid != 0;
}

static int is_held_up(const struct room *room) {
    if (is_stopped(room->stage_pidfd, room->stage))
        return 1;
    int settling = __atomic_load_n(&room->is_settling, __ATOMIC_ACQUIRE);
    return settling && pyns_knows_ids(room) && is_stopped(-1, room->settler_born) &&
           __atomic_load_n(&room->is_settling, __ATOMIC_ACQUIRE);
}

/* Wait until a child with memory of its own has begun. 1: a signal is to be handled
 * first; then again, or pyns_spawn_abandon. Else as pyns_spawn. */
int pyns_spawn_wait(struct pyns_spawn *spawn) {
    const struct room *room = spawn->room;
    if (!room)
        return -EINVAL; /* It has begun, or failed, already. */
    struct pollfd end = {.fd = room->stage_pidfd, .events = POLLIN};
    int ended;
    while ((ended = poll(&end, 1, 100)) <= 0) {
        if (ended < 0 && errno == EINTR)
            return 1;
        if (ended < 0) /* No memory for it now: look again later. */
            usleep(1000);
        if (is_held_up(room)) {
            spawn->step = PYNS_STEP_CLONE;
            pyns_spawn_abandon(spawn);
            return -ECANCELED;
        }
    }
    reap_stage(room);
    return finish(spawn);
}
