/* Starting a program: the caller's side.
 *
 * Where the child shares this process's memory (vfork(2)), the calling thread is
 * suspended by the kernel until the program has begun. Where it has a copy, the caller
 * waits for the end of the stage, and may handle signals meanwhile. Either way all that
 * is needed is prepared here, and the children only read it.
 *
 * The children send no signal before they have executed something, the program or an init
 * or a guard: only then the kernel makes it SIGCHLD. So a child that still has none when
 * it ends has failed. */
#include "birth.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ROOM_SIZE (TASK_ERRAND + ROLES * ROLE_STACK)

static int joins_pid(const struct pyns_spawn *spawn) {
    for (int i = 0; i < spawn->join_count; i++)
        if (spawn->join_types[i] == CLONE_NEWPID)
            return 1;
    return 0;
}

static int needs_settler(const struct pyns_spawn *spawn) {
    return spawn->apart || spawn->guard >= 0 || spawn->flags & CLONE_NEWPID ||
           joins_pid(spawn);
}

/* The array that execve(2) takes, of strings one after the other. */
static char **new_list(const char *text, int count) {
    char **list = malloc(((size_t)count + 1) * sizeof(*list));
    if (!list)
        return NULL;
    for (int i = 0; i < count; i++) {
        list[i] = (char *)text;
        text += strlen(text) + 1;
    }
    list[count] = NULL;
    return list;
}

static void close_and_forget(int *fd) {
    pyns_close(*fd);
    *fd = -1;
}

static void free_room(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    spawn->room = NULL;
    free(room->argv);
    free(room->envp);
    free(room->files);
    pyns_close(room->stage_pidfd);
    pyns_close(room->channel);
    pyns_close(room->inbox);
    pyns_close(room->parent_pidfd);
    munmap(room, ROOM_SIZE);
}

/* Make the room; free it even after a failure. */
static int make_room(struct pyns_spawn *spawn) {
    int sharing = spawn->apart ? MAP_SHARED : MAP_PRIVATE;
    struct room *room = mmap(NULL, ROOM_SIZE, PROT_READ | PROT_WRITE,
                             sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return -ENOMEM;
    spawn->room = room;
    room->plan = spawn;
    room->stage_pidfd = room->channel = room->inbox = room->parent_pidfd = -1;
    room->watch[0] = room->watch[1] = -1;
    room->caller = getpid();
    room->has_clone3 = 1;
    room->in_two_steps = needs_settler(spawn);
    room->is_sharing = !spawn->apart;
    room->trace.style = spawn->apart ? TASK_APART : TASK_SHARING;
    pyns_at(&room->trace, PYNS_STEP_MEMORY, 0);
    room->argv = new_list(spawn->args, spawn->arg_count);
    room->files = new_list(spawn->files, spawn->file_count);
    if (spawn->env_count >= 0)
        room->envp = new_list(spawn->env, spawn->env_count);
    if (!room->argv || !room->files || (spawn->env_count >= 0 && !room->envp))
        return -ENOMEM;
    pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
    int ends[2] = {-1, -1};
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
    if (room->in_two_steps && socketpair(AF_UNIX, type, 0, ends) < 0)
        return -errno;
    room->inbox = ends[0];
    room->channel = ends[1];
    if (spawn->guard >= 0)
        room->parent_pidfd = PYNS_RESULT(syscall(SYS_pidfd_open, room->caller, 0));
    return spawn->guard >= 0 && room->parent_pidfd < 0 ? room->parent_pidfd : 0;
}

/* --- after it -------------------------------------------------------------------- */

/* Wait for the end of a child, whatever signal it would send. */
static void reap(int pidfd, int pid) {
    siginfo_t info;
    int type = pidfd >= 0 ? P_PIDFD : P_PID;
    id_t id = (id_t)(pidfd >= 0 ? pidfd : pid);
    while (syscall(SYS_waitid, type, id, &info, WEXITED | __WALL, NULL) < 0 &&
           errno == EINTR)
        ;
}

static void kill_and_reap(int pidfd, int pid) {
    if (pidfd < 0 && pid <= 0)
        return;
    if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
        if (pid > 0)
            kill(pid, SIGKILL);
    reap(pidfd, pid);
}

/* Whether it has ended without having executed a program: then it still would send no
 * signal. */
static int died_before_execve(int pidfd) {
    siginfo_t info = {.si_pid = 0};
    unsigned int options = WEXITED | WNOHANG | WNOWAIT | __WCLONE;
    return syscall(SYS_waitid, P_PIDFD, pidfd, &info, options, NULL) == 0 &&
           info.si_pid != 0;
}

static int take_one(struct pyns_spawn *spawn, int inbox) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char tag = 0;
    int fd = -1;
    struct iovec data = {.iov_base = &tag, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    if (recvmsg(inbox, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
        return 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(head), sizeof(fd));
    int *place = tag == 'c' ? &spawn->pidfd
                 : tag == 'p' ? &spawn->program_pidfd
                              : &spawn->guard_pidfd;
    pyns_close(*place);
    *place = fd;
    return fd < 0 ? -EMFILE : 1;
}

/* Take over the handles that the children have sent. What an init sends after them is
 * how its program ended, and for later. */
static int take_handles(struct pyns_spawn *spawn) {
    const struct room *room = spawn->room;
    int wanted = 1 + (spawn->guard >= 0) + (spawn->init >= 0);
    int result = 1, worst = 0;
    for (; wanted > 0 && result != 0; wanted--) {
        result = take_one(spawn, room->inbox);
        worst = result < 0 ? result : worst;
    }
    return worst;
}

/* The stage is gone. */
static int finish(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int result = room->result;
    room->stage = 0;
    if (room->in_two_steps) {
        /* As many as there are handles to come: there is room for them. */
        close_and_forget(&room->stage_pidfd);
        close_and_forget(&room->channel);
        close_and_forget(&room->parent_pidfd);
        int taken = take_handles(spawn);
        result = result < 0 ? result : taken;
        spawn->pid = room->born;
        if (result == 0 && spawn->pidfd < 0)
            result = -ECANCELED; /* The stage was killed. */
    }
    if (result == 0 && died_before_execve(spawn->pidfd))
        result = -ECANCELED;
    spawn->step = room->trace.step;
    spawn->nstype = room->trace.nstype;
    if (result < 0) {
        pyns_spawn_abandon(spawn);
        return result;
    }
    spawn->renumbered = room->in_two_steps && room->stage_self != room->stage_pid;
    if (spawn->init >= 0) {
        spawn->channel = room->inbox;
        room->inbox = -1;
    }
    free_room(spawn);
    return 0;
}

/* Close what is open; the program goes on. */
int pyns_spawn_close(struct pyns_spawn *spawn) {
    close_and_forget(&spawn->pidfd);
    close_and_forget(&spawn->program_pidfd);
    close_and_forget(&spawn->guard_pidfd);
    close_and_forget(&spawn->channel);
    return 0;
}

/* Kill and reap what has been started, and close and free what belongs to it; twice is
 * allowed. */
int pyns_spawn_abandon(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int born = 0;
    if (room) {
        /* It first, since it might give birth to another meanwhile. */
        if (room->in_two_steps && room->stage > 0)
            kill_and_reap(room->stage_pidfd, room->stage);
        room->stage = 0;
        if (room->in_two_steps)
            take_handles(spawn);
        born = room->born;
    }
    kill_and_reap(spawn->pidfd, spawn->pid > 0 ? spawn->pid : born);
    if (spawn->guard_pidfd >= 0)
        kill_and_reap(spawn->guard_pidfd, 0);
    pyns_spawn_close(spawn);
    spawn->pid = 0;
    if (room)
        free_room(spawn);
    return 0;
}

/* --- before it ------------------------------------------------------------------- */

static int is_of_cgroup(int number) {
    return number == EBADF || number == EACCES || number == ENOENT || number == ENODEV ||
           number == EOPNOTSUPP || number == EBUSY;
}

/* Have the stage born; all signals are blocked, in it until it becomes the program. */
static int bear_stage(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int pidfd = -1;
    struct birth birth = {
        .flags = room->is_sharing ? CLONE_VM | CLONE_VFORK : 0,
        .cgroup = spawn->cgroup,
        .pidfd = &pidfd,
        .stack = (char *)room + TASK_ERRAND,
        .stack_size = ROLE_STACK,
        .entry = pyns_stage,
        .argument = room,
    };
    birth.flags |= CLONE_CLEAR_SIGHAND;
    room->signals = pyns_block_signals();
    int pid = pyns_bear(&birth);
    if (pid == -ENOSYS) {
        room->has_clone3 = 0;
        pid = pyns_bear_old(&birth);
    }
    pyns_restore_signals(room->signals);
    if (pid < 0) {
        if (room->has_clone3 && spawn->cgroup >= 0 && is_of_cgroup(-pid))
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

/* Whether this process must be hidden while the child shares its memory, or the child
 * hide itself. */
static int choose_style(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    if (!(spawn->flags & CLONE_NEWUSER) && spawn->userns < 0)
        return 0;
    int style = pyns_style_for_fresh_userns();
    if (style < 0) {
        pyns_at(&room->trace, PYNS_STEP_SETGROUPS, CLONE_NEWUSER);
        return style;
    }
    room->hides_itself = style == TASK_HIDDEN && spawn->apart;
    return style == TASK_HIDDEN && !spawn->apart;
}

static int start(struct pyns_spawn *spawn) {
    struct thread *thread = pyns_self();
    struct room *room = spawn->room;
    if (!thread)
        return -ENOMEM;
    int result = room->in_two_steps ? pyns_refuse_to_be_init(thread) : 0;
    if (result < 0)
        return result;
    int is_hidden = choose_style(spawn);
    if (is_hidden < 0)
        return is_hidden;
    if (is_hidden && (result = pyns_hide()) < 0)
        return result;
    result = bear_stage(spawn);
    if (is_hidden)
        pyns_show();
    return result;
}

/* A record of nothing yet. */
int pyns_spawn_clear(struct pyns_spawn *spawn) {
    *spawn = (struct pyns_spawn){
        .userns = -1, .timens = -1, .cgroup = -1, .init = -1, .guard = -1,
        .env_count = -1, .group_count = -1, .umask = -1, .process_group = -1,
        .pidfd = -1, .program_pidfd = -1, .channel = -1, .guard_pidfd = -1,
    };
    return 0;
}

/* Start the program, by a record that was cleared before. 0: it has begun, and what is open is the caller's. 1: the caller is
 * to go on with pyns_spawn_wait. Negative: nothing is left of it. */
int pyns_spawn(struct pyns_spawn *spawn) {
    int result = make_room(spawn);
    if (result == 0)
        result = start(spawn);
    if (result < 0) {
        const struct room *room = spawn->room;
        spawn->step = room ? room->trace.step : PYNS_STEP_MEMORY;
        spawn->nstype = room ? room->trace.nstype : 0;
        pyns_spawn_abandon(spawn);
        return result;
    }
    const struct room *room = spawn->room;
    if (!room->is_sharing)
        return 1;
    if (room->in_two_steps)
        reap(room->stage_pidfd, room->stage);
    return finish(spawn);
}

/* Wait until a child with memory of its own has begun. -EINTR: a signal is to be handled
 * first; then again, or pyns_spawn_abandon. Else as pyns_spawn. */
int pyns_spawn_wait(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    struct pollfd end = {.fd = room->stage_pidfd, .events = POLLIN};
    if (poll(&end, 1, -1) < 0)
        return -errno;
    reap(room->stage_pidfd, room->stage);
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
