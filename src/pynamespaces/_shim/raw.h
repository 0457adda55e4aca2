/* System calls without a libc, for code that runs where there is none (resident.c).
 *
 * Each returns what the kernel does: >= 0, or -errno. */
#ifndef PYNS_RAW_H
#define PYNS_RAW_H

#include "compat.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* Where the module can be executed; x32 and ILP32 have their own calls. */
#if defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__))
#define PYNS_HAS_RESIDENT 1
#endif

#ifdef PYNS_HAS_RESIDENT

/* What compilers add to a function takes thread-local storage or a library, by default
 * or for -fstack-protector, -fsanitize, -pg, --coverage, -ftrivial-auto-var-init. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-stack-protector", "no-tree-loop-distribute-patterns")
#endif
#if __has_attribute(no_stack_protector)
#define BARE_STACK __attribute__((no_stack_protector))
#else
#define BARE_STACK
#endif
#if __has_attribute(disable_sanitizer_instrumentation)
#define BARE_SANITIZERS __attribute__((disable_sanitizer_instrumentation))
#else
#define BARE_SANITIZERS
#endif
#if __has_attribute(no_profile_instrument_function)
#define BARE_PROFILE __attribute__((no_profile_instrument_function))
#else
#define BARE_PROFILE
#endif
#if __has_attribute(uninitialized)
#define UNSET __attribute__((uninitialized))
#else
#define UNSET
#endif
#define BARE \
    BARE_STACK BARE_SANITIZERS BARE_PROFILE \
    __attribute__((no_sanitize("address", "undefined", "thread"), \
                   no_instrument_function))
#define RAW static inline BARE

/* The kernel's: musl's has halves of these fields, and padding that its wrappers
 * fill. */
struct raw_msghdr {
    void *name;
    int name_length;
    struct iovec *data;
    size_t data_count;
    void *control;
    size_t control_length;
    unsigned int flags;
};

#define ADDRESS(pointer) ((long)(uintptr_t)(pointer))

#ifdef __x86_64__
RAW long raw6(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#else
RAW long raw6(long number, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory", "cc");
    return x0;
}
#endif

RAW long raw4(long number, long a, long b, long c, long d) {
    return raw6(number, a, b, c, d, 0, 0);
}

RAW void __attribute__((noreturn)) raw_exit_group(int code) {
    for (;;)
        raw4(SYS_exit_group, code, 0, 0, 0);
}

RAW void raw_set_name(const char *name) {
    raw4(SYS_prctl, PR_SET_NAME, ADDRESS(name), 0, 0);
}

RAW void raw_close(int fd) {
    raw4(SYS_close, fd, 0, 0, 0);
}

RAW long raw_close_range(unsigned int first, unsigned int last) {
    return raw4(SYS_close_range, (long)first, (long)last, 0, 0);
}

RAW long raw_wait_any(int *status, int options) {
    return raw4(SYS_wait4, -1, ADDRESS(status), options, 0);
}

RAW void raw_kill(int pid, int signal) {
    raw4(SYS_kill, pid, signal, 0, 0);
}

RAW long raw_sigqueueinfo(int pid, int signal, const siginfo_t *info) {
    return raw4(SYS_rt_sigqueueinfo, pid, signal, ADDRESS(info), 0);
}

RAW void raw_pidfd_kill(int pidfd) {
    raw4(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
}

/* The kernel's set of signals is 64 bits wide, which libc's is not. */
RAW long raw_wait_signal(siginfo_t *info) {
    uint64_t all = ~(uint64_t)0;
    return raw4(SYS_rt_sigtimedwait, ADDRESS(&all), ADDRESS(info), 0, sizeof(all));
}

RAW void raw_default_action(int signal) {
    /* handler, flags, restorer, mask; libc's struct is another */
    UNSET volatile unsigned long action[4];
    for (int i = 0; i < 4; i++)
        action[i] = 0; /* SIG_DFL */
    raw4(SYS_rt_sigaction, signal, ADDRESS(action), 0, sizeof(action[3]));
}

RAW long raw_send(int socket, const void *data, size_t size) {
    return raw6(SYS_sendto, socket, ADDRESS(data), (long)size,
                MSG_NOSIGNAL | MSG_DONTWAIT, 0, 0);
}

RAW long raw_recvmsg(int socket, struct raw_msghdr *message) {
    return raw4(SYS_recvmsg, socket, ADDRESS(message), MSG_CMSG_CLOEXEC, 0);
}

/* Without a timeout, and with the signal mask as it is. */
RAW long raw_poll(struct pollfd *fds, int count) {
    return raw6(SYS_ppoll, ADDRESS(fds), count, 0, 0, 0, 0);
}

#endif
#endif
