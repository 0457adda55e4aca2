/* Inhabitants: helper tasks that rest in a user namespace until they are dismissed. */
#include "task.h"

#include <sys/prctl.h>

struct residence {
    struct trace trace;
    int userns;
};

/* Only who is alone with it, or sure of its neighbours, may share memory there. */
static int move_in(struct residence *residence) {
    pyns_at(&residence->trace, PYNS_STEP_PROC, CLONE_NEWUSER);
    int folder = pyns_open_own_proc();
    if (folder < 0)
        return folder;
    pyns_at(&residence->trace, PYNS_STEP_SETNS, CLONE_NEWUSER);
    if (setns(residence->userns, CLONE_NEWUSER) < 0) {
        pyns_close(folder);
        return -errno;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* which that may have cleared */
    return pyns_give(&residence->trace, folder);
}

static int reside(void *argument) {
    struct task *task = argument;
    struct residence *residence = (struct residence *)task->errand;
    if (residence->trace.style == TASK_APART)
        pyns_retreat(task);
    int result = pyns_depend_on_caller(task);
    if (result == 0)
        result = move_in(residence);
    if (result == 0 && residence->trace.style == TASK_APART)
        result = pyns_send_gifts(task);
    if (residence->trace.style != TASK_APART)
        pyns_let_go_of_descriptors();
    task->result = result;
    __atomic_store_n(&task->done, 1, __ATOMIC_RELEASE);
    /* From here on the calling thread runs as well, so nothing may fail. */
    while (result == 0)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
    return 0;
}

/* Put a task into a user namespace, for its maps to be read and written by others: it
 * does nothing, and ends with the calling thread at the latest. `fresh`: nobody else
 * has been there, so that only this user has power there. */
int pyns_inhabit(int userns, int fresh, struct pyns_inhabitant *inhabitant) {
    *inhabitant = (struct pyns_inhabitant){.proc = -1};
    int pid, result = pyns_prepare_task();
    if (result < 0)
        return result;
    struct residence errand = {.userns = userns};
    errand.trace.style = TASK_APART;
    if (fresh)
        errand.trace.style = pyns_is_powerful() ? TASK_HIDDEN : TASK_SHARING;
    pyns_use(&errand.trace, userns);
    uint64_t signals = pyns_block_signals();
    struct task *task =
        pyns_start_task(NULL, reside, &errand.trace, sizeof(errand), &pid);
    result = pid;
    inhabitant->room = task;
    if (pid >= 0) {
        result = pyns_await_task(task, pid, signals, 1);
        inhabitant->pid = result == 0 ? pid : 0;
        if (result < 0)
            task->result = result;
        result = pyns_collect_task(task, &errand.trace, sizeof(errand));
        inhabitant->proc = result == 0 ? errand.trace.gives[0] : -1;
        struct thread *thread = pyns_self();
        thread->last_step = errand.trace.step;
        thread->last_type = errand.trace.nstype;
    }
    if (result < 0)
        pyns_dismiss(inhabitant);
    pyns_restore_signals(signals);
    return result < 0 ? result : 0;
}

/* End an inhabitant; on the thread that made it. Twice is allowed. */
int pyns_dismiss(struct pyns_inhabitant *inhabitant) {
    if (inhabitant->room) {
        if (inhabitant->pid > 0)
            pyns_end_task(inhabitant->room, inhabitant->pid);
        pyns_close(inhabitant->proc);
        pyns_free_task(inhabitant->room);
        *inhabitant = (struct pyns_inhabitant){.proc = -1};
    }
    return 0;
}
