/* Starting a program: the settler, born where only a child can be, and the residents.
 *
 * The settler is a child of the caller's (CLONE_PARENT), and becomes the program or its
 * init. Each child hands over its own pidfd, since nobody else can be sure of its id. */
#include "birth.h"

#include <linux/futex.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Send a descriptor to who is at the other end; it stays the sender's. */
static int hand_over(int channel, char tag, int fd) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    struct iovec data = {.iov_base = &tag, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    return sendmsg(channel, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* A process's handle on itself: nobody can be given its id meanwhile. */
static int hand_over_self(int channel, char tag, int watch) {
    int self = PYNS_RESULT(syscall(SYS_pidfd_open, getpid(), 0));
    if (self < 0)
        return self;
    int result = hand_over(channel, tag, self);
    if (result == 0 && watch >= 0)
        result = hand_over(watch, tag, self);
    pyns_close(self);
    return result;
}

static int bear(struct room *room, enum role role, uint64_t flags, int exit_signal,
                   int *tid, int (*entry)(void *)) {
    struct birth birth = {
        .flags = flags,
        .exit_signal = exit_signal,
        .cgroup = -1,
        .tid = tid,
        .stack = (char *)room + TASK_ERRAND + (size_t)role * ROLE_STACK,
        .stack_size = ROLE_STACK,
        .entry = entry,
        .argument = room,
    };
    return room->has_clone3 ? pyns_bear(&birth) : pyns_bear_old(&birth);
}

/* --- residents: the init and the guard, of a few pages each ------------------------ */

static void write_number(char *text, int number) {
    char digits[12];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        *text++ = digits[--count];
    *text = 0;
}

/* Execute the small program that the extension module's file has in it (resident.c),
 * which has nothing of the caller's memory. */
static int execute_resident(struct room *room, int file, const char *name, int first,
                            int second) {
    strcpy(room->words[0], name);
    write_number(room->words[1], first);
    write_number(room->words[2], second);
    char *argv[] = {room->words[0], room->words[1], room->words[2], NULL};
    char *envp[] = {NULL};
    return PYNS_RESULT(
        syscall(SYS_execveat, file, "", argv, envp, AT_EMPTY_PATH));
}

static int run_guard(void *argument) {
    struct room *room = argument;
    int result = hand_over_self(room->channel, 'g', -1);
    if (result == 0)
        result = PYNS_RESULT(fcntl(room->parent_pidfd, F_SETFD, 0));
    if (result == 0)
        result = PYNS_RESULT(fcntl(room->watch[1], F_SETFD, 0));
    if (result == 0)
        result = execute_resident(room, room->plan->guard, "guard", room->parent_pidfd,
                                  room->watch[1]);
    pyns_fail(room, result);
    return 0;
}

/* Before anything else, where the caller is and as who it is: nobody inside has power
 * over the guard. */
int pyns_start_guard(struct room *room) {
    pyns_at(&room->trace, PYNS_STEP_GUARD, 0);
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
    if (socketpair(AF_UNIX, type, 0, room->watch) < 0)
        return -errno;
    int pid = bear(room, ROLE_GUARD, CLONE_PARENT | CLONE_VM | CLONE_VFORK, 0,
                             NULL, run_guard);
    pyns_close(room->watch[1]);
    return pid < 0 ? pid : room->result;
}

static void wait_while(int *word, int value) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
        syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static int run_program(void *argument) {
    struct room *room = argument;
    /* Until the init is one: without it nothing is to begin. */
    wait_while(&room->gate, 0);
    int result = hand_over_self(room->channel, 'p', -1);
    pyns_fail(room, result < 0 ? result : pyns_become(room));
    return 127;
}

/* The program is born first, since the init could not prepare it. */
static int go_on_as_init(struct room *room) {
    pyns_at(&room->trace, PYNS_STEP_INIT, CLONE_NEWPID);
    struct sigaction before;
    int result = PYNS_RESULT(sigaction(SIGCHLD, NULL, &before));
    if (result < 0)
        return result;
    /* Ignored, it would hide from the init how the program ended. */
    room->ignores_sigchld = before.sa_handler == SIG_IGN;
    signal(SIGCHLD, SIG_DFL);
    /* As the program, so that it is reached by killpg(3) of the id that the caller has,
     * and not by the signals that are meant for the caller's own group. */
    if (room->plan->new_session)
        setsid();
    else if (room->plan->process_group == 0)
        setpgid(0, 0);
    result = PYNS_RESULT(fcntl(room->channel, F_SETFD, 0));
    if (result < 0)
        return result;
    room->alive = 1;
    int pid =
        bear(room, ROLE_PROGRAM, CLONE_VM, SIGCHLD, &room->alive, run_program);
    if (pid < 0) {
        room->alive = 0;
        return pid;
    }
    result = execute_resident(room, room->plan->init, "init", room->channel, pid);
    syscall(SYS_kill, pid, SIGKILL);
    while (syscall(SYS_wait4, pid, NULL, __WALL, NULL) < 0 && errno == EINTR)
        ;
    return result;
}

/* --- the settler ------------------------------------------------------------------ */

static int mount_proc(struct room *room) {
    const struct pyns_spawn *plan = room->plan;
    if (!plan->mount_proc)
        return 0;
    pyns_at(&room->trace, PYNS_STEP_MOUNT_PROC, CLONE_NEWNS);
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return PYNS_RESULT(mount("proc", "/proc", "proc", flags, NULL));
}

static int settle(void *argument) {
    struct room *room = argument;
    pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
    int result = hand_over_self(room->channel, 'c', room->watch[0]);
    if (result == 0)
        result = mount_proc(room);
    if (result == 0)
        result = room->plan->init >= 0 ? go_on_as_init(room) : pyns_become(room);
    pyns_fail(room, result);
    return 127;
}

/* Have it born, and wait until it has become what it is to be. */
int pyns_bear_settler(struct room *room) {
    pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
    uint64_t flags = CLONE_PARENT | CLONE_VM | CLONE_VFORK;
    int pid = bear(room, ROLE_SETTLER, flags, 0, NULL, settle);
    if (pid < 0)
        return pid;
    room->born = pid;
    if (room->result == 0) {
        __atomic_store_n(&room->gate, 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &room->gate, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    wait_while(&room->alive, 1);
    return room->result;
}
