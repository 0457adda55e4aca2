/* A tiny static program inside the extension module: the init of a pid namespace, and
 * a guard that kills a process when another has died. Each stays for long, and would
 * otherwise be a copy of the interpreter, with all that it holds.
 *
 * The kernel executes the module's shared object as a static PIE, from the entry point
 * that it is linked with. No dynamic loader runs. So nothing is relocated: there is no
 * libc, no PLT, no GOT, no thread-local storage, and no pointer in initialised data.
 * Hence no initialisers of aggregates either, for which compilers may call memset.
 *
 * All signals are blocked from the start, and stay so.
 *
 * NOLINT: clang does not know what the kernel writes where a number says. */
#include "raw.h"

#include <limits.h>

#ifdef PYNS_HAS_RESIDENT

#define REFUSED 127 /* not for us; as a shell's for what it cannot run */

/* The stack is as the kernel made it: argc, then argv. */
#ifdef __x86_64__
__asm__(".pushsection .text\n"
        ".globl pyns_resident_start\n"
        ".hidden pyns_resident_start\n"
        ".hidden pyns_resident_main\n"
        ".type pyns_resident_start, @function\n"
        "pyns_resident_start:\n"
        "    xorl %ebp, %ebp\n"
        "    movq %rsp, %rdi\n"
        "    andq $-16, %rsp\n"
        "    call pyns_resident_main\n"
        "    ud2\n"
        ".size pyns_resident_start, . - pyns_resident_start\n"
        ".popsection");
#else
__asm__(".pushsection .text\n"
        ".balign 4\n"
        ".globl pyns_resident_start\n"
        ".hidden pyns_resident_start\n"
        ".hidden pyns_resident_main\n"
        ".type pyns_resident_start, %function\n"
        "pyns_resident_start:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    bl pyns_resident_main\n"
        "    brk #1\n"
        ".size pyns_resident_start, . - pyns_resident_start\n"
        ".popsection");
#endif

/* Return the number, or -1. */
static BARE int parse(const char *text) {
    int number = 0;
    if (!*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || number > (INT_MAX - 9) / 10)
            return -1;
        number = number * 10 + (*text - '0');
    }
    return number;
}

/* Before Linux 5.9, or where a filter of system calls is as old: one by one. */
static BARE void close_one_by_one(int kept, int kept_too) {
    const int last = 65535; /* more is rare, and takes long */
    for (int fd = 0; fd <= last; fd++)
        if (fd != kept && fd != kept_too)
            raw_close(fd);
}

static BARE void close_all_but(int kept, int kept_too) {
    unsigned int low = (unsigned int)(kept < kept_too ? kept : kept_too);
    unsigned int high = (unsigned int)(kept < kept_too ? kept_too : kept);
    long result = raw_close_range(high + 1, ~0U);
    if (low + 1 < high)
        result |= raw_close_range(low + 1, high - 1);
    if (low > 0)
        result |= raw_close_range(0, low - 1);
    if (result < 0)
        close_one_by_one(kept, kept_too);
}

/* ---- init ---- */

/* The kernel kills all others of the namespace when this process ends. */
static BARE void __attribute__((noreturn)) end_as(int status, int channel) {
    raw_send(channel, &status, sizeof(status));
    raw_exit_group(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Reap all that have died; end if the program has. Its pid stays its own until then,
 * so that no signal is passed on to another. */
static BARE void reap(int program, int channel) {
    for (;;) {
        UNSET int status;
        long pid = raw_wait_any(&status, WNOHANG | __WALL);
        if (pid == program)
            end_as(status, channel); /* NOLINT */
        if (pid == 0)
            return;
        if (pid == -ECHILD) /* the program is no child: nothing would ever end this */
            raw_exit_group(REFUSED);
    }
}

/* Pass on what was sent from outside of the namespace, whose processes have no pid
 * here. The terminal driver is the kernel, and reaches the program too. The program
 * itself, and its children, cannot mean this process by what they send to it. */
static BARE void pass_on(int program, int signal, const siginfo_t *info) {
    if (info->si_code > 0 || info->si_pid != 0) /* NOLINT */
        return;
    /* The value of sigqueue(3) would be lost by kill(2). */
    if (info->si_code == SI_QUEUE && raw_sigqueueinfo(program, signal, info) == 0)
        return;
    raw_kill(program, signal);
}

static BARE void __attribute__((noreturn)) be_init(int channel, int program,
                                                   int waiting) {
    const char ready = 1;
    raw_set_name("pyns-init");
    close_all_but(channel, waiting);
    /* Ignored, children would be gone with their status. */
    raw_default_action(SIGCHLD);
    /* The program, which is not to begin without an init. */
    while (raw_send(waiting, &ready, sizeof(ready)) == -EINTR)
        ;
    raw_close(waiting);
    for (;;) {
        UNSET siginfo_t info;
        reap(program, channel);
        long signal = raw_wait_signal(&info);
        if (signal > 0 && signal != SIGCHLD)
            pass_on(program, (int)signal, &info);
    }
}

/* ---- guard ---- */

/* Wait until one of them is ready; return whether that worked. */
static BARE int wait_for(struct pollfd *fds, int count) {
    for (;;) {
        long ready = raw_poll(fds, count);
        if (ready != -EINTR)
            return ready > 0;
    }
}

static BARE void watch(struct pollfd *what, int fd) {
    what->fd = fd;
    what->events = POLLIN;
    what->revents = 0;
}

/* One message, with one descriptor; return that, or -1. */
static BARE int receive_fd(int socket) {
    UNSET union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
        int words[CMSG_SPACE(sizeof(int)) / sizeof(int)];
    } control;
    UNSET char byte;
    UNSET struct iovec data;
    UNSET struct raw_msghdr message;
    UNSET struct pollfd sender;
    long result;
    watch(&sender, socket);
    do {
        data.iov_base = &byte;
        data.iov_len = sizeof(byte);
        message.name = NULL;
        message.name_length = 0;
        message.data = &data;
        message.data_count = 1;
        message.control = &control;
        message.control_length = sizeof(control);
        message.flags = 0;
        if (!wait_for(&sender, 1)) /* its end may not wait: O_NONBLOCK */
            return -1;
        result = raw_recvmsg(socket, &message);
    } while (result == -EINTR || result == -EAGAIN);
    if (result < 0 || message.control_length < CMSG_LEN(sizeof(int)) ||
        control.head.cmsg_level != SOL_SOCKET || /* NOLINT */
        control.head.cmsg_type != SCM_RIGHTS)
        return -1;
    return control.words[CMSG_LEN(0) / sizeof(int)];
}

/* The target comes later than the guard, that there be no moment without one. The
 * parent may have died by then, which its pidfd goes on to say. */
static BARE void __attribute__((noreturn)) be_guard(int parent, int socket) {
    UNSET struct pollfd either[2];
    raw_set_name("pyns-guard");
    close_all_but(parent, socket);
    int target = receive_fd(socket);
    if (target < 0)
        raw_exit_group(0);
    raw_close(socket);
    watch(&either[0], target);
    watch(&either[1], parent);
    if (wait_for(either, 2) && !either[0].revents)
        raw_pidfd_kill(target);
    raw_exit_group(0);
}

/* ---- both ---- */

void pyns_resident_main(const long *stack);

/* Called by the entry point alone, which the compiler does not see. */
BARE void
    __attribute__((used, noreturn, visibility("hidden")))
    pyns_resident_main(const long *stack) {
    const char *const *argv = (const char *const *)(const void *)(stack + 1);
    if (*stack != 4)
        raw_exit_group(REFUSED);
    int first = parse(argv[1]), second = parse(argv[2]), third = parse(argv[3]);
    if (first < 0 || second < 0 || third < 0)
        raw_exit_group(REFUSED);
    if (argv[0][0] == 'i')
        be_init(first, second, third);
    if (argv[0][0] == 'g')
        be_guard(first, second);
    raw_exit_group(REFUSED);
}

#endif
