/* Starting a program: the settler, born where only a child can be, and the residents.
 *
 * The settler is a child of the caller's (CLONE_PARENT), and becomes the program or its
 * init. It hands over its own pidfd, since nobody else can be sure of its id. */
#include "birth.h"

#include <linux/futex.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Send a descriptor to who is at the other end; it stays the sender's. -1: only who the
 * sender is, which the kernel tells. */
int pyns_hand_over(int channel, char tag, int fd) {
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
                             .msg_control = fd < 0 ? NULL : &control,
                             .msg_controllen = fd < 0 ? 0 : sizeof(control)};
    ssize_t sent;
    while ((sent = sendmsg(channel, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return sent < 0 ? -errno : 0;
}

/* A process's handle on itself: nobody can be given its id meanwhile. */
static int hand_over_self(int channel, char tag, int watch) {
    int self = PYNS_RESULT(syscall(SYS_pidfd_open, getpid(), 0));
    if (self < 0) {
        pyns_hand_over(channel, tag, -1);
        return self;
    }
    int result = pyns_hand_over(channel, tag, self);
    if (result == 0 && watch >= 0)
        result = pyns_hand_over(watch, tag, self);
    /* Who was to have it has been killed. */
    if (result == -EPIPE || result == -ECONNRESET)
        result = -ECANCELED;
    pyns_close(self);
    return result;
}

static int bear(struct room *room, enum role role, struct birth birth) {
    birth.cgroup = -1;
    birth.stack = pyns_stack_of(room, role);
    birth.stack_size = ROLE_STACK;
    birth.argument = room;
    return room->has_clone3 ? pyns_bear(&birth) : pyns_bear_old(&birth);
}

static int make_pair(int *ends) {
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC;
    return PYNS_RESULT(socketpair(AF_UNIX, type, 0, ends));
}

/* Wait to be told to go on; not if who would tell is gone. */
static int is_told(int fd) {
    char go = 0;
    ssize_t length;
    while ((length = read(fd, &go, 1)) < 0 && errno == EINTR)
        ;
    return length == 1;
}

static void wait_while(int *word) {
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, word, FUTEX_WAIT, 1, NULL, NULL, 0);
}

/* --- residents: the init and the guard, of a few pages each ----------------------- */

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
static int execute_resident(struct room *room, int file, const char *name,
                            const int *numbers) {
    for (int i = 0; i < 3; i++)
        write_number(room->words[i], numbers[i]);
    const char *argv[] = {name, room->words[0], room->words[1], room->words[2], NULL};
    char *envp[] = {NULL};
    return PYNS_RESULT(syscall(SYS_execveat, file, "", argv, envp, AT_EMPTY_PATH));
}

static int let_pass(int fd) {
    return PYNS_RESULT(fcntl(fd, F_SETFD, 0));
}

/* A file system that a resident is in could not be unmounted. And who may look into the
 * init could leave through its directory, /proc/1/cwd; its root moves along when the
 * program, which has not begun yet, moves its own. */
static void let_go_of_directory(void) {
    if (chdir("/") < 0) {
        /* No reason to fail. */
    }
}

static int run_guard(void *argument) {
    struct room *room = argument;
    const int numbers[] = {room->parent_pidfd, room->watch[1], 0};
    /* What kills the parent's process group must not kill the guard. The caller goes on as
     * soon as the guard is another program, which would be too late. */
    int session = PYNS_RESULT(setsid());
    int result = hand_over_self(room->channel, 'g', -1);
    if (result == 0 && session < 0)
        result = session;
    let_go_of_directory();
    if (result == 0)
        result = let_pass(room->parent_pidfd);
    if (result == 0)
        result = let_pass(room->watch[1]);
    if (result == 0)
        result = execute_resident(room, room->plan.guard, "guard", numbers);
    pyns_fail(room, result);
    return 127;
}

/* Before anything else, where the caller is and as who it is: nobody inside has power
 * over the guard. */
int pyns_start_guard(struct room *room) {
    pyns_at(&room->trace, PYNS_STEP_GUARD, 0);
    int memory[2] = {-1, -1};
    int result = make_pair(room->watch);
    if (result == 0 && room->plan.apart)
        result = make_pair(memory);
    if (result == 0)
        result = bear(room, ROLE_GUARD,
                      (struct birth){.flags = CLONE_PARENT | CLONE_VM | CLONE_VFORK,
                                     .born = &room->guard_born,
                                     .entry = run_guard});
    pyns_close(room->watch[1]);
    /* execve(2) lets this go on before it lets go of the memory, and who shares that can
     * enter no time namespace. It closes descriptors after that. */
    pyns_close(memory[1]);
    if (memory[0] >= 0)
        (void)is_told(memory[0]);
    pyns_close(memory[0]);
    return result < 0 ? result : room->result;
}

static int run_program(void *argument) {
    struct room *room = argument;
    close(room->start[1]);
    if (is_told(room->start[0])) /* by the init: without one nothing is to begin */
        pyns_fail(room, pyns_become(room));
    return 127;
}

/* It is the settler's process that ends as an init would: kill what it has borne. */
static void end_program(int pid) {
    syscall(SYS_kill, pid, SIGKILL);
    while (syscall(SYS_wait4, pid, NULL, __WALL, NULL) < 0 && errno == EINTR)
        ;
}

/* The program is born first, since the init could not prepare it. */
static int bear_program(struct room *room, int *pidfd) {
    struct sigaction before;
    int result = PYNS_RESULT(sigaction(SIGCHLD, NULL, &before));
    if (result < 0)
        return result;
    /* Ignored, it would hide from the init how the program ended. */
    room->ignores_sigchld = before.sa_handler == SIG_IGN;
    (void)signal(SIGCHLD, SIG_DFL);
    /* As the program, so that it is reached by killpg(3) of the id that the caller has,
     * and not by the signals that are meant for the caller's own group. */
    if (room->plan.new_session)
        setsid();
    else if (room->plan.process_group == 0)
        setpgid(0, 0);
    result = make_pair(room->start);
    if (result < 0)
        return result;
    room->is_starting = 1;
    result = bear(room, ROLE_PROGRAM,
                  (struct birth){.flags = CLONE_VM,
                                 .exit_signal = SIGCHLD,
                                 .pidfd = pidfd,
                                 .alive = &room->is_starting,
                                 .entry = run_program});
    if (result < 0)
        room->is_starting = 0;
    pyns_close(room->start[0]);
    return result;
}

static int go_on_as_init(struct room *room) {
    pyns_at(&room->trace, PYNS_STEP_INIT, CLONE_NEWPID);
    int pidfd = -1;
    int pid = bear_program(room, &pidfd);
    if (pid < 0)
        return pid;
    const int numbers[] = {room->channel, pid, room->start[1]};
    int result = pyns_hand_over(room->channel, 'p', pidfd);
    /* Or the program could have it do what it may not do itself. */
    if (result == 0 && room->plan.no_new_privs) {
        pyns_at(&room->trace, PYNS_STEP_NO_NEW_PRIVS, 0);
        result = PYNS_RESULT(prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL));
    }
    if (result == 0)
        pyns_at(&room->trace, PYNS_STEP_INIT, CLONE_NEWPID);
    let_go_of_directory();
    /* Not before the program was born, which is to have neither. */
    if (result == 0)
        result = let_pass(room->channel);
    if (result == 0)
        result = let_pass(room->start[1]);
    if (result == 0)
        result = execute_resident(room, room->plan.init, "init", numbers);
    end_program(pid);
    return result;
}

/* --- the settler ------------------------------------------------------------------ */

static int mount_proc(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    if (!plan->mount_proc)
        return 0;
    pyns_at(&room->trace, PYNS_STEP_MOUNT_PROC, CLONE_NEWNS);
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return PYNS_RESULT(mount("proc", "/proc", "proc", flags, NULL));
}

static int settle(void *argument) {
    struct room *room = argument;
    close(room->gate[1]);
    int result = hand_over_self(room->channel, 'c', room->watch[0]);
    if (result < 0 || !is_told(room->gate[0])) {
        pyns_fail(room, result);
        return 127;
    }
    result = mount_proc(room);
    if (result == 0)
        result = room->plan.init >= 0 ? go_on_as_init(room) : pyns_become(room);
    pyns_fail(room, result);
    return 127;
}

static void tell_to_go_on(struct room *room) {
    const char go = 1;
    ssize_t sent;
    while ((sent = send(room->gate[1], &go, 1, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    if (sent >= 0)
        return;
    /* It may have failed and be gone. */
    if (errno != EPIPE && errno != ECONNRESET)
        pyns_fail(room, -errno);
    close(room->gate[1]); /* Or it would wait for ever. */
}

/* Have it born, and wait until it has become what it is to be. It goes on when told to,
 * so that it is known to the caller by then; and not without the stage, that no program
 * begins which nobody waits for. */
int pyns_bear_settler(struct room *room) {
    pyns_at(&room->trace, PYNS_STEP_CLONE, 0);
    int result = make_pair(room->gate);
    if (result < 0)
        return result;
    room->is_settling = 1;
    result = bear(room, ROLE_SETTLER,
                  (struct birth){.flags = CLONE_PARENT | CLONE_VM,
                                 .born = &room->settler_born,
                                 .alive = &room->is_settling,
                                 .entry = settle});
    if (result < 0)
        return result;
    close(room->gate[0]);
    tell_to_go_on(room);
    wait_while(&room->is_settling);
    wait_while(&room->is_starting);
    return room->result;
}
