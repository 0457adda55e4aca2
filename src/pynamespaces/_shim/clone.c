/* clone3(2) in the manner of fork(2): the child goes on in Python.
 *
 * cffi releases the GIL around every call, and a child that was copied while another
 * thread held it would wait for ever. So the GIL is taken back first, and the
 * interpreter's own fork protocol is followed. Its functions are part of the stable
 * ABI and are found at run time: the shim needs no Python.h. */
#include "thread.h"

#include <dlfcn.h>

struct fork_protocol {
    int (*ensure)(void);
    void (*release)(int);
    void (*before)(void);
    void (*after_parent)(void);
    void (*after_child)(void);
};

/* ISO C has no cast from an object pointer to a function pointer. */
#define FIND(field, name) \
    do { \
        void *symbol = dlsym(RTLD_DEFAULT, name); \
        if (!symbol) \
            return -ENOTSUP; \
        memcpy(&protocol->field, &symbol, sizeof(symbol)); \
    } while (0)

static int find_protocol(struct fork_protocol *protocol) {
    FIND(ensure, "PyGILState_Ensure");
    FIND(release, "PyGILState_Release");
    FIND(before, "PyOS_BeforeFork");
    FIND(after_parent, "PyOS_AfterFork_Parent");
    FIND(after_child, "PyOS_AfterFork_Child");
    return 0;
}

/* clone(2) can say the low 32 bits, but for CLONE_NEWTIME, which lies where it has
 * the exit signal. */
static long old_clone(const struct clone_arguments *arguments, int *pidfd) {
    if (arguments->flags >> 32 || arguments->flags & 0xff || arguments->set_tid_size) {
        errno = ENOSYS;
        return -1;
    }
    unsigned long flags = (unsigned long)(arguments->flags | arguments->exit_signal);
#ifdef __s390x__
    return syscall(SYS_clone, NULL, flags, pidfd, NULL, NULL);
#else
    return syscall(SYS_clone, flags, NULL, pidfd, NULL, NULL);
#endif
}

/* Return the child's pid, and its pidfd in *pidfd; in the child 0. */
int pyns_clone3(uint64_t flags, int exit_signal, int cgroup, const int *set_tid,
                int set_tid_size, int *pidfd) {
    struct fork_protocol protocol;
    int result = find_protocol(&protocol);
    if (result < 0)
        return result;
    *pidfd = -1;
    struct clone_arguments arguments = {
        .flags = flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = (uint64_t)exit_signal,
        .set_tid = set_tid_size ? (uint64_t)(uintptr_t)set_tid : 0,
        .set_tid_size = (uint64_t)set_tid_size,
        .cgroup = flags & CLONE_INTO_CGROUP ? (uint64_t)cgroup : 0,
    };

    int state = protocol.ensure();
    protocol.before();
    pyns_before_fork();
    long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid < 0 && errno == ENOSYS)
        pid = old_clone(&arguments, pidfd);
    int error = errno;
    if (pid == 0) {
        /* No handler of pthread_atfork has run. */
        pyns_after_fork();
        protocol.after_child();
    } else {
        pyns_after_fork_in_parent();
        protocol.after_parent();
    }
    protocol.release(state);
    return pid < 0 ? -error : (int)pid;
}
