/* A helper task: a process of its own that does one thing elsewhere and is gone.
 *
 * It shares the descriptors of this process, so what it opens is ours, and its memory,
 * so it costs the same however large this process is. It has namespaces, root and
 * working directory of its own, so no thread of ours is moved, and it is a process with
 * one thread, so it may enter what a threaded one may not.
 *
 * Memory of its own it has for setns(time), which the kernel wants so, and in a user
 * namespace of somebody else's, whose root has power over all processes that are in
 * it. The kernel keeps their memory from that one by making it undumpable; shared, that
 * would be ours.
 *
 * It runs with all signals blocked, on a stack of its own, while the calling thread
 * waits (CLONE_VFORK), whose errno and thread-local storage it shares: it must not
 * touch what is there but errno. It sends no signal when it ends, and only the thread
 * that made it can wait for it, so no handler or waiter of the program's is disturbed. */
#include "task.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* The kernel's signal set; glibc's own functions leave out two signals of its own. */
#define KERNEL_SIGSET_SIZE (64 / 8)

void pyns_block_signals(uint64_t *before) {
    uint64_t all = ~(uint64_t)0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, before, KERNEL_SIGSET_SIZE);
}

void pyns_restore_signals(const uint64_t *before) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, before, NULL, KERNEL_SIGSET_SIZE);
}

/* A child of this thread may be due in a fresh pid namespace: a helper task would
 * become its init, and end it by ending. */
int pyns_refuse_to_be_init(struct thread *thread) {
    int index = pyns_index_of(CLONE_NEWPID);
    struct stat own_facts, facts;
    int result = 0;
    int own = pyns_open_own_surely(thread, index, 0);
    if (own < 0) /* This kernel may have no such namespaces. */
        return own == -ENOENT ? 0 : own;
    int children = pyns_open_own_surely(thread, index, 1);
    if (children < 0) {
        close(own);
        /* Before Linux 6.11 the link is there once there is an init. */
        return children == -ENOENT ? -PYNS_EINIT : children;
    }
    if (fstat(own, &own_facts) < 0 || fstat(children, &facts) < 0)
        result = -errno;
    else if (own_facts.st_ino != facts.st_ino &&
             ioctl(children, NS_GET_TGID_FROM_PIDNS, 1UL) < 0 && errno == ESRCH)
        result = -PYNS_EINIT;
    close(own);
    close(children);
    return result;
}

static int run(void *argument) {
    struct task *task = argument;
    task->result = task->work((struct trace *)task->errand);
    return 0;
}

/* Start it; returns its pid. The kernel gives no namespace flags here: what is to be
 * fresh the work unshares, which old kernels and seccomp filters know best. */
int pyns_start_task(struct task *task, int (*entry)(void *), int flags) {
    return PYNS_RESULT(clone(entry, (char *)task + TASK_ROOM, flags, task));
}

struct task *pyns_new_task(enum task_memory memory) {
    int sharing = memory == TASK_SHARES_MEMORY ? MAP_PRIVATE : MAP_SHARED;
    struct task *task = mmap(NULL, TASK_ROOM, PROT_READ | PROT_WRITE,
                             sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return task == MAP_FAILED ? NULL : task;
}

void pyns_free_task(struct task *task) {
    munmap(task, TASK_ROOM);
}

void pyns_wait_for_task(int pid) {
    /* Another waiter may have been quicker (__WALL): it is gone all the same. */
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
}

static int run_once(struct thread *thread, task_work *work, struct trace *errand,
                    size_t size, enum task_memory memory) {
    int vm = memory == TASK_SHARES_MEMORY ? CLONE_VM : 0;
    struct task *task = pyns_new_task(memory);
    if (!task)
        return -ENOMEM;
    task->work = work;
    task->result = -ECANCELED; /* What it says if it is killed before it can speak. */
    errand->memory = memory;
    memcpy(task->errand, errand, size);

    uint64_t signals;
    pyns_block_signals(&signals);
    int pid = pyns_start_task(task, run, CLONE_VFORK | CLONE_FILES | vm);
    if (pid >= 0)
        pyns_wait_for_task(pid);
    pyns_restore_signals(&signals);

    int result = pid < 0 ? pid : task->result;
    if (pid >= 0) {
        memcpy(errand, task->errand, size);
        thread->last_step = errand->step;
        thread->last_type = errand->nstype;
    }
    pyns_free_task(task);
    return result;
}

int pyns_run_task(task_work *work, struct trace *errand, size_t size,
                  enum task_memory memory) {
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    thread->last_step = PYNS_STEP_CLONE;
    thread->last_type = 0;
    if (size > TASK_ERRAND)
        return -E2BIG;
    int result = pyns_refuse_to_be_init(thread);
    if (result < 0)
        return result;
    result = run_once(thread, work, errand, size, memory);
    if (result == TASK_FOREIGN)
        result = run_once(thread, work, errand, size, TASK_OWN_MEMORY);
    return result;
}
