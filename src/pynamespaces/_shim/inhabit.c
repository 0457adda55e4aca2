/* Inhabitants: helper tasks that rest in a user namespace until they are dismissed. */
#include "task.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

/* linux/futex.h */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

struct residence {
    struct trace trace;
    int userns;
};

static long futex(int *word, int operation, int value, const struct timespec *timeout) {
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

static void announce(struct task *task) {
    __atomic_store_n(&task->ready, 1, __ATOMIC_RELEASE);
    futex(&task->ready, FUTEX_WAKE, 1, NULL);
}

/* From the announcement on, the calling thread runs as well, so nothing here may fail
 * and write the errno that both have. */
static int reside(void *argument) {
    struct task *task = argument;
    struct residence *residence = (struct residence *)task->errand;
    task->result = pyns_task_enter_userns(&residence->trace, residence->userns);
    if (task->result == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    int parent = getppid(); /* 0: it is in a pid namespace further out */
    if (parent != 0 && parent != task->parent)
        task->result = -ECANCELED;
    announce(task);
    while (task->result == 0)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
    return 0;
}

/* Wait until it rests or has failed; -1: it was killed from outside, and is gone. Who
 * has power where it goes may also have stopped it: then it is not waited for. */
static int await(struct task *task, int pid) {
    const struct timespec patience = {.tv_nsec = 20 * 1000 * 1000};
    for (int tries = 0; !__atomic_load_n(&task->ready, __ATOMIC_ACQUIRE); tries++) {
        futex(&task->ready, FUTEX_WAIT, 0, &patience);
        if (waitpid(pid, NULL, __WALL | WNOHANG) != 0)
            return -1;
        if (tries == 500) {
            kill(pid, SIGKILL);
            pyns_wait_for_task(pid);
            return -1;
        }
    }
    return 0;
}

/* Put a task into a user namespace, for its maps to be read and written by others: it
 * holds nothing and does nothing. It ends with this process at the latest. */
int pyns_inhabit(int userns, struct pyns_inhabitant *inhabitant) {
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    thread->last_step = PYNS_STEP_CLONE;
    thread->last_type = 0;
    int result = pyns_refuse_to_be_init(thread);
    if (result < 0)
        return result;
    enum task_memory memory =
        pyns_is_own_creation(userns) ? TASK_SHARES_MEMORY : TASK_OWN_MEMORY;
    int vm = memory == TASK_SHARES_MEMORY ? CLONE_VM : 0;
    struct task *task = pyns_new_task(memory);
    if (!task)
        return -ENOMEM;
    struct residence *residence = (struct residence *)task->errand;
    residence->trace.memory = memory;
    residence->userns = userns;
    task->result = -ECANCELED;
    task->parent = getpid();

    uint64_t signals;
    pyns_block_signals(&signals);
    int pid = pyns_start_task(task, reside, CLONE_FILES | vm);
    int is_gone = pid < 0 || await(task, pid) < 0;
    pyns_restore_signals(&signals);

    *inhabitant = (struct pyns_inhabitant){.pid = is_gone ? 0 : pid, .room = task};
    result = pid < 0 ? pid : task->result;
    if (pid >= 0) {
        thread->last_step = residence->trace.step;
        thread->last_type = residence->trace.nstype;
    }
    if (result < 0 || is_gone) {
        pyns_dismiss(inhabitant);
        return result < 0 ? result : -ECANCELED;
    }
    return 0;
}

/* End an inhabitant; on the thread that made it. Twice is allowed. */
int pyns_dismiss(struct pyns_inhabitant *inhabitant) {
    if (inhabitant->pid > 0 && inhabitant->room) {
        kill(inhabitant->pid, SIGKILL);
        pyns_wait_for_task(inhabitant->pid);
    }
    if (inhabitant->room)
        pyns_free_task(inhabitant->room);
    *inhabitant = (struct pyns_inhabitant){0};
    return 0;
}
