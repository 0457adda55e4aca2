/* Starting a program: the caller's side.
 *
 * Where the stage shares this process's memory (vfork(2)), the calling thread is
 * suspended by the kernel until the program has begun. Where it has a copy, the caller
 * waits for the end of the stage, and may handle signals meanwhile. Either way all that
 * is needed is in the room, and the children only read it.
 *
 * The children send no signal before they have executed something, the program or an init
 * or a guard: only then the kernel makes it SIGCHLD. So a child that still has none when
 * it ends has failed. */
#include "birth.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int joins_pid(const struct pyns_spawn *spawn) {
    for (int i = 0; i < spawn->join_count; i++)
        if (spawn->join_types[i] == CLONE_NEWPID)
            return 1;
    return 0;
}

static void close_and_forget(int *fd) {
    pyns_close(*fd);
    *fd = -1;
}

/* --- after it -------------------------------------------------------------------- */

static long wait_for(int pidfd, int pid, siginfo_t *info, unsigned int options) {
    int type = pidfd >= 0 ? P_PIDFD : P_PID;
    id_t id = (id_t)(pidfd >= 0 ? pidfd : pid);
    return syscall(SYS_waitid, type, id, info, options, NULL);
}

/* By its pidfd, or where there is none, by an id that is surely still its own. */
static void kill_and_reap(int pidfd, int pid) {
    siginfo_t info;
    if (pidfd >= 0)
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    /* Old seccomp filters know no pidfds. */
    if (pid > 0 && (pidfd < 0 || errno == ENOSYS))
        kill(pid, SIGKILL);
    if (pidfd >= 0 || pid > 0)
        while (wait_for(pidfd, pid, &info, WEXITED | __WALL) < 0 && errno == EINTR)
            ;
}

/* Whether it has ended without having executed anything: then it still would send no
 * signal. */
static int died_before_execve(int pidfd) {
    siginfo_t info = {.si_pid = 0};
    unsigned int options = WEXITED | WNOHANG | WNOWAIT | __WCLONE;
    return wait_for(pidfd, 0, &info, options) == 0 && info.si_pid != 0;
}

/* Take over one handle, with the id that its sender has here. 1: done; 0: there is none;
 * or -errno. */
static int take_handle(int inbox, char wanted, int *handle, int *pid) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char tag = 0;
    struct iovec data = {.iov_base = &tag, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t length = recvmsg(inbox, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length <= 0)
        return 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    for (; head; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type == SCM_RIGHTS)
            memcpy(handle, CMSG_DATA(head), sizeof(*handle));
        struct ucred sender;
        if (head->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&sender, CMSG_DATA(head), sizeof(sender));
            *pid = sender.pid;
        }
    }
    if (tag != wanted)
        return -EPROTO;
    return *handle < 0 ? -EMFILE : 1;
}

/* Take over what the children have sent, in the order in which they do. What an init
 * sends after it is for later, and comes from where others may have power over it. */
static int take_handles(struct pyns_spawn *spawn, int *guard_pid) {
    const struct room *room = spawn->room;
    int ignored = 0, result = 1;
    if (spawn->guard >= 0)
        result = take_handle(room->inbox, 'g', &spawn->guard_pidfd, guard_pid);
    if (result > 0)
        result = take_handle(room->inbox, 'c', &spawn->pidfd, &spawn->pid);
    if (result > 0 && spawn->init >= 0)
        result = take_handle(room->inbox, 'p', &spawn->program_pidfd, &ignored);
    return result;
}

/* The ids that the stage knew are this process's own too: not where it was born in another
 * pid namespace. */
static int knows_ids(const struct room *room) {
    return room->stage_self == room->stage_pid;
}

/* The stage is gone: kill and reap the others. Those of which nothing is known end by
 * themselves, by its end. */
static void end_children(struct pyns_spawn *spawn, int guard_pid) {
    const struct room *room = spawn->room;
    int born = room && knows_ids(room) ? room->settler_born : 0;
    int guard_born = room && knows_ids(room) ? room->guard_born : 0;
    kill_and_reap(spawn->pidfd, spawn->pid > 0 ? spawn->pid : born);
    kill_and_reap(spawn->guard_pidfd, guard_pid > 0 ? guard_pid : guard_born);
}

static void free_room(struct pyns_spawn *spawn) {
    pyns_free_room(spawn->room);
    spawn->room = NULL;
}

/* A record of nothing yet. */
int pyns_spawn_clear(struct pyns_spawn *spawn) {
    *spawn = (struct pyns_spawn){
        .userns = -1, .timens = -1, .cgroup = -1, .resident = -1, .init = -1,
        .guard = -1, .at_home = -1,
        .env_count = -1, .group_count = -1, .umask = -1, .process_group = -1,
        .pidfd = -1, .program_pidfd = -1, .channel = -1, .guard_pidfd = -1,
    };
    return 0;
}

/* Close what is open; the program goes on. */
static int close_all(struct pyns_spawn *spawn) {
    siginfo_t info;
    if (spawn->guard_pidfd >= 0) /* if it has ended */
        wait_for(spawn->guard_pidfd, 0, &info, WEXITED | WNOHANG | __WALL);
    close_and_forget(&spawn->pidfd);
    close_and_forget(&spawn->program_pidfd);
    close_and_forget(&spawn->guard_pidfd);
    close_and_forget(&spawn->channel);
    close_and_forget(&spawn->resident);
    return 0;
}

/* Kill and reap what has been started, and close and free what belongs to it; twice is
 * allowed. */
int pyns_spawn_abandon(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int guard_pid = 0;
    if (room && room->in_two_steps) {
        /* It first, since it might give birth to another meanwhile. */
        kill_and_reap(room->stage_pidfd, room->stage);
        room->stage = 0;
        close_and_forget(&room->stage_pidfd);
        take_handles(spawn, &guard_pid);
    }
    end_children(spawn, guard_pid);
    close_all(spawn);
    spawn->pid = 0;
    if (room)
        free_room(spawn);
    return 0;
}

/* When the record goes. */
int pyns_spawn_drop(struct pyns_spawn *spawn) {
    return spawn->adopted ? close_all(spawn) : pyns_spawn_abandon(spawn);
}

static int take_over(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int guard_pid = 0, result = 1;
    if (room->in_two_steps) {
        /* As many as there are handles to come: there is room for them. */
        close_and_forget(&room->stage_pidfd);
        close_and_forget(&room->channel);
        close_and_forget(&room->parent_pidfd);
        result = take_handles(spawn, &guard_pid);
    }
    if (room->result < 0)
        return room->result;
    /* It was killed if it did not come to its end; nobody knows then what is left. */
    if (room->in_two_steps && (!room->done || result == 0))
        return -ECANCELED;
    if (result < 0)
        return result;
    return died_before_execve(spawn->pidfd) ? -ECANCELED : 0;
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
    close_and_forget(&spawn->resident);
    free_room(spawn);
    return 0;
}

static void reap_stage(const struct room *room) {
    siginfo_t info;
    while (wait_for(room->stage_pidfd, room->stage, &info, WEXITED | __WALL) < 0 &&
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
    if (room->plan.guard >= 0)
        room->parent_pidfd = PYNS_RESULT(syscall(SYS_pidfd_open, room->caller, 0));
    return room->plan.guard >= 0 && room->parent_pidfd < 0 ? room->parent_pidfd : 0;
}

static int is_of_cgroup(int number) {
    return number == EBADF || number == EACCES || number == ENOENT || number == ENODEV ||
           number == EOPNOTSUPP || number == EBUSY;
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
        .cgroup = spawn->cgroup,
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
    }
    /* A filter's word: the kernel refuses no such child as this for want of power. */
    if (pid == -ENOSYS || (pid == -EPERM && room->trace.step == PYNS_STEP_CLONE)) {
        room->has_clone3 = 0;
        pid = pyns_bear_old(&birth);
    }
    leave_home(children);
    pyns_restore_signals(room->signals);
    if (pid < 0) {
        if (room->has_clone3 && spawn->cgroup >= 0 && is_of_cgroup(-pid) &&
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

/* Where a child of this thread is born among others in a pid namespace, or the program is
 * to be, they may stop it, and who has power over them, look into it: it gets memory of
 * its own. */
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
    int result = in_two_steps ? open_channel(room) : 0;
    if (result == 0)
        result = hide_if_needed(spawn);
    if (result == 0)
        result = bear_stage(spawn);
    spawn->step = room->trace.step;
    spawn->nstype = room->trace.nstype;
    return result;
}

/* Start the program, by a record that was cleared before. 0: it has begun, and what is open
 * is the caller's. 1: the caller is to go on with pyns_spawn_wait. Negative: nothing is
 * left of it. */
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
    return (pidfd >= 0 || pid > 0) && wait_for(pidfd, pid, &info, options) == 0 &&
           info.si_pid != 0;
}

static int is_held_up(const struct room *room) {
    if (is_stopped(room->stage_pidfd, room->stage))
        return 1;
    int settling = __atomic_load_n(&room->is_settling, __ATOMIC_ACQUIRE);
    return settling && knows_ids(room) && is_stopped(-1, room->settler_born) &&
           __atomic_load_n(&room->is_settling, __ATOMIC_ACQUIRE);
}

/* Wait until a child with memory of its own has begun. -EINTR: a signal is to be handled
 * first; then again, or pyns_spawn_abandon. Else as pyns_spawn. */
int pyns_spawn_wait(struct pyns_spawn *spawn) {
    const struct room *room = spawn->room;
    struct pollfd end = {.fd = room->stage_pidfd, .events = POLLIN};
    int ended;
    while ((ended = poll(&end, 1, 100)) == 0)
        if (is_held_up(room)) {
            spawn->step = PYNS_STEP_CLONE;
            pyns_spawn_abandon(spawn);
            return -ECANCELED;
        }
    if (ended < 0)
        return -errno;
    reap_stage(room);
    return finish(spawn);
}

/* What an init has said of how its program ended: a wait status. */
int pyns_read_status(int channel) {
    int status = 0;
    ssize_t length = recv(channel, &status, sizeof(status), MSG_DONTWAIT);
    return length == sizeof(status) ? status : length < 0 ? -errno : -ENODATA;
}

/* End and reap a guard; it would end by itself now, but nobody should wait for that. */
int pyns_end_guard(struct pyns_spawn *spawn) {
    kill_and_reap(spawn->guard_pidfd, 0);
    close_and_forget(&spawn->guard_pidfd);
    return 0;
}

/* Open the file of the init and the guard, if it is still the one of these numbers, and may
 * be executed. -ESTALE: it is another. */
int pyns_spawn_open(struct pyns_spawn *spawn, const char *path, uint64_t dev,
                    uint64_t ino) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    spawn->resident = fd;
    if (fd < 0 || fstat(fd, &facts) < 0)
        return -errno;
    if (facts.st_dev != dev || facts.st_ino != ino)
        return -ESTALE;
    return PYNS_RESULT(faccessat(AT_FDCWD, path, X_OK, AT_EACCESS));
}

/* A copy of it in memory, in its place. */
int pyns_spawn_copy(struct pyns_spawn *spawn, const char *content, int size) {
    close_and_forget(&spawn->resident);
    spawn->resident = (int)syscall(SYS_memfd_create, "pynamespaces", MFD_CLOEXEC);
    if (spawn->resident < 0)
        return -errno;
    while (size > 0) {
        ssize_t written = write(spawn->resident, content, (size_t)size);
        if (written < 0)
            return -errno;
        content += written;
        size -= (int)written;
    }
    return 0;
}
