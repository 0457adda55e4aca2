/* Entering several namespaces for good, where a user namespace is among them.
 *
 * The kernel does this whole only by the pidfd of a process that has them all. By
 * descriptors each step is final, so a helper task goes first: where it comes through,
 * so will the calling thread. */
#include "task.h"

struct journey {
    struct trace trace;
    int count;
    int fds[MAX_TYPES];
    int nstypes[MAX_TYPES];
};

static int join_one(struct trace *trace, int fd, int nstype) {
    pyns_at(trace, PYNS_STEP_SETNS, nstype);
    int is_alone = nstype == CLONE_NEWUSER && trace->style == TASK_APART;
    int result = is_alone ? pyns_setns_alone(fd) : PYNS_RESULT(setns(fd, nstype));
    trace->joined += result >= 0;
    return result;
}

/* Before the user namespace is joined, what the caller has power over; after it, what
 * only its root has power over. The other way round, either would be refused. */
int pyns_join_each(struct trace *trace, const int *fds, const int *nstypes, int count) {
    int joined[MAX_TYPES] = {0};
    int user = -1;
    for (int i = 0; i < count; i++) {
        if (nstypes[i] == CLONE_NEWUSER) {
            user = i;
            continue;
        }
        int result = join_one(trace, fds[i], nstypes[i]);
        if (result < 0 && result != -EPERM)
            return result;
        joined[i] = result >= 0;
    }
    int result = user < 0 ? 0 : join_one(trace, fds[user], CLONE_NEWUSER);
    for (int i = 0; result >= 0 && i < count; i++)
        if (i != user && !joined[i])
            result = join_one(trace, fds[i], nstypes[i]);
    return result < 0 ? result : 0;
}

static int join_all(struct trace *trace) {
    const struct journey *journey = (struct journey *)trace;
    return pyns_join_each(trace, journey->fds, journey->nstypes, journey->count);
}

/* Join all with the calling thread, or (rehearse) only try. In a user namespace that
 * is somebody else's, this process becomes undumpable, as the kernel wants it. A thread
 * that has come half-way is lost. */
int pyns_join(const int *fds, const int *nstypes, int count, int rehearse) {
    struct journey journey = {.count = count};
    if (count < 0 || count > MAX_TYPES)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        journey.fds[i] = fds[i];
        journey.nstypes[i] = nstypes[i];
        pyns_use(&journey.trace, fds[i]);
        if (rehearse && nstypes[i] & (CLONE_NEWTIME | CLONE_NEWUSER))
            journey.trace.style = TASK_APART;
    }
    if (rehearse)
        return pyns_run_task(join_all, &journey.trace, sizeof(journey));
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    int result = join_all(&journey.trace);
    if (result < 0 && journey.trace.joined > 0)
        thread->lost = -result;
    pyns_forget_homes(0);
    thread->last_step = journey.trace.step;
    thread->last_type = journey.trace.nstype;
    return result;
}
