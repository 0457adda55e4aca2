/* Hiding this process's memory while a helper task that shares it is in a user
 * namespace which others of this user's have power over: of an undumpable process the
 * kernel lets only those see the memory who have power outside. Several threads may
 * want that at once; the last puts the flag back. */
#include "task.h"

#include <sys/prctl.h>

static int lock;
static int hiding;
static int was;

static void take_lock(void) {
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void let_go(void) {
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

int pyns_hide(void) {
    int result = 0;
    take_lock();
    if (hiding == 0) {
        was = prctl(PR_GET_DUMPABLE);
        if (was == 1)
            result = PYNS_RESULT(prctl(PR_SET_DUMPABLE, 0));
    }
    if (result == 0)
        hiding++;
    let_go();
    return result;
}

void pyns_show(void) {
    take_lock();
    if (--hiding == 0 && was == 1)
        prctl(PR_SET_DUMPABLE, 1);
    let_go();
}

/* The kernel copies the flag before it copies the memory in which `hiding` is, so
 * neither may change during a fork, or the child could not tell whether its flag is as
 * it was. */
void pyns_before_fork(void) {
    take_lock();
}

void pyns_after_fork_in_parent(void) {
    let_go();
}

void pyns_show_after_fork(void) {
    if (hiding > 0 && was == 1)
        prctl(PR_SET_DUMPABLE, 1);
    hiding = 0;
    let_go();
}
