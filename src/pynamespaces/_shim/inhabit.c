/* Inhabitants: helper tasks that rest in a user namespace until they are dismissed. */
#include "task.h"

#include <time.h>

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
    int result = residence->trace.style == TASK_APART
                     ? pyns_setns_alone(residence->userns)
                     : PYNS_RESULT(setns(residence->userns, CLONE_NEWUSER));
    if (result < 0) {
        pyns_close(folder);
        return result;
    }
    return pyns_give(&residence->trace, folder);
}

static int reside(void *argument) {
    struct task *task = argument;
    struct residence *residence = (struct residence *)task->errand;
    int result = pyns_depend_on_caller(task);
    if (result == 0 && residence->trace.style == TASK_APART)
        result = pyns_retreat(task);
    if (result == 0)
        result = move_in(residence);
    if (result == 0 && residence->trace.style == TASK_APART)
        result = pyns_send_gifts(task);
    if (residence->trace.style != TASK_APART)
        pyns_let_go_of_descriptors();
    task->result = result;
    __atomic_store_n(&task->done, 1, __ATOMIC_RELEASE);
    /* From here on the calling thread runs as well, so nothing may fail. It is killed,
     * or asked to leave where that is refused. */
    while (result == 0 && !__atomic_load_n(&task->leave, __ATOMIC_ACQUIRE)) {
        struct timespec nap = {.tv_nsec = 50L * 1000 * 1000};
        syscall(SYS_ppoll, NULL, 0, &nap, NULL, 0);
    }
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
    int style = fresh ? pyns_style_for_fresh_userns() : TASK_APART;
    if (style == TASK_APART)
        result = pyns_refuse_to_set_clocks(pyns_self());
    if (style < 0 || result < 0)
        return style < 0 ? style : result;
    struct residence errand = {.userns = userns};
    errand.trace.style = (enum task_style)style;
    pyns_use(&errand.trace, userns);
    uint64_t signals = pyns_block_signals();
    struct task *task =
        pyns_start_task(NULL, reside, &errand.trace, sizeof(errand), &pid);
    result = pid;
    inhabitant->room = task;
    if (pid >= 0) {
        result = pyns_await_task(task, pid, signals, 1);
        if (result != -EINTR)
            pyns_self()->patience = 0;
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
        struct task *task = inhabitant->room;
        if (task->owner != pyns_process()) {
            /* A fork has a copy of the record, and the task is its parent's. */
            task->is_hiding = 0; /* put right after the fork */
        } else {
            __atomic_store_n(&task->leave, 1, __ATOMIC_RELEASE);
            if (inhabitant->pid > 0)
                pyns_end_task(task, inhabitant->pid);
        }
        pyns_close(inhabitant->proc);
        pyns_free_task(inhabitant->room);
        *inhabitant = (struct pyns_inhabitant){.proc = -1};
    }
    return 0;
}
