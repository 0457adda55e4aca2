/* clone3(2) for a child on a stack of its own, which may share memory with its parent.
 *
 * The C library has no function for it, and one that returned twice on one stack could
 * not be written in C. */
#include "birth.h"

#if defined(__x86_64__)

/* The child finds entry and argument in registers, since it has nothing on its stack.
 */
static long clone3_onto(struct clone_arguments *arguments, int (*entry)(void *),
                        void *argument) {
    long result;
    register long to_call __asm__("r12") = (long)entry;
    register long to_pass __asm__("r13") = (long)argument;
    __asm__ volatile("syscall\n\t"
                     "test %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "mov %%r13, %%rdi\n\t"
                     "call *%%r12\n\t"
                     "mov %%eax, %%edi\n\t"
                     "mov %[exit], %%eax\n\t"
                     "syscall\n\t"
                     "hlt\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_clone3), "D"(arguments), "S"(sizeof(*arguments)),
                       "r"(to_call), "r"(to_pass), [exit] "i"(SYS_exit_group)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

static long clone3_onto(struct clone_arguments *arguments, int (*entry)(void *),
                        void *argument) {
    register long x0 __asm__("x0") = (long)arguments;
    register long x1 __asm__("x1") = sizeof(*arguments);
    register long x8 __asm__("x8") = SYS_clone3;
    register long to_call __asm__("x20") = (long)entry;
    register long to_pass __asm__("x21") = (long)argument;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x0, x21\n\t"
                     "blr x20\n\t"
                     "mov x8, %[exit]\n\t"
                     "svc #0\n\t"
                     "brk #0\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x1), "r"(x8), "r"(to_call), "r"(to_pass),
                       [exit] "i"(SYS_exit_group)
                     : "memory");
    return x0;
}

#else

static long clone3_onto(struct clone_arguments *arguments, int (*entry)(void *),
                        void *argument) {
    (void)arguments, (void)entry, (void)argument;
    return -ENOSYS;
}

#endif

/* The child's id, or -errno. */
int pyns_bear(const struct birth *birth) {
    struct clone_arguments arguments = {
        .flags = birth->flags | (birth->pidfd ? CLONE_PIDFD : 0) |
                 (birth->born ? CLONE_PARENT_SETTID : 0) |
                 (birth->alive ? CLONE_CHILD_CLEARTID : 0) |
                 (birth->cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
        .pidfd = (uint64_t)(uintptr_t)birth->pidfd,
        .parent_tid = (uint64_t)(uintptr_t)birth->born,
        .child_tid = (uint64_t)(uintptr_t)birth->alive,
        .exit_signal = (uint64_t)birth->exit_signal,
        .stack = (uint64_t)(uintptr_t)birth->stack,
        .stack_size = birth->stack_size,
        .cgroup = birth->cgroup >= 0 ? (uint64_t)birth->cgroup : 0,
    };
    return (int)clone3_onto(&arguments, birth->entry, birth->argument);
}

/* The same by clone(2), where clone3(2) is not to be had: not into a cgroup, the
 * handlers of signals stay as they are, and the pidfd and the id have one place. */
int pyns_bear_old(const struct birth *birth) {
    int flags = (int)(birth->flags & 0xffffff00U) | birth->exit_signal |
                (birth->pidfd ? CLONE_PIDFD : 0) |
                (birth->born ? CLONE_PARENT_SETTID : 0) |
                (birth->alive ? CLONE_CHILD_CLEARTID : 0);
    int *answer = birth->pidfd ? birth->pidfd : birth->born;
    return PYNS_RESULT(clone(birth->entry, (char *)birth->stack + birth->stack_size,
                             flags, birth->argument, answer, NULL, birth->alive));
}
