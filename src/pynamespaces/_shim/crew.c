/* The workers of a census: what each does, and starting them. */
#include "census.h"

#include <stdlib.h>
#include <sys/resource.h>

/* Thread-local storage is in it too, which other libraries may have a lot of. */
#define STACK (1024UL * 1024)
#define SPARE_FILES 64
#define MOST_HELD 256
#define MOST_KNOWN 256

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

/* Hand over what a worker has so far, in the order in which it found it. */
static void hand_over(struct worker *worker) {
    struct state *state = worker->state;
    pthread_mutex_lock(&state->mutex);
    tally_take(worker, &state->parts[state->made++]);
    pthread_cond_signal(&state->news);
    pthread_mutex_unlock(&state->mutex);
}

static int is_stopped(const struct worker *worker) {
    return worker->failed < 0 || atomic_load(&worker->state->cancelled);
}

static void work(struct worker *worker) {
    struct state *state = worker->state;
    while (!is_stopped(worker)) {
        int first = atomic_fetch_add(&state->next, CHUNK);
        if (first >= state->roll.total)
            break;
        int last = first + CHUNK < state->roll.total ? first + CHUNK : state->roll.total;
        for (int i = first; i < last && !is_stopped(worker); i++)
            visit_process(worker, state->roll.pids[i]);
        atomic_fetch_add(&state->done, last - first);
        if (worker->tally.process_count >= PART)
            hand_over(worker);
    }
    if (!is_stopped(worker))
        confirm_namespaces(worker);
    hand_over(worker);
}

/* Keep what is open until all are through: what one holds, another may have met. */
static void wait_for_others(struct state *state) {
    pthread_mutex_lock(&state->mutex);
    state->finished++;
    pthread_cond_broadcast(&state->finish);
    while (!atomic_load(&state->cancelled) &&
           state->finished != atomic_load(&state->count))
        pthread_cond_wait(&state->finish, &state->mutex);
    pthread_mutex_unlock(&state->mutex);
}

static int equip(struct worker *worker, const struct plan *plan) {
    worker->plan = *plan;
    worker->buffer = malloc(READ_ROOM);
    worker->plan.proc = open_proc();
    if (worker->buffer == NULL)
        return -ENOMEM;
    return worker->plan.proc < 0 ? worker->plan.proc : 0;
}

/* Say that a worker is through; the last one clears up if nobody waits any more. */
static void leave(struct state *state) {
    pthread_mutex_lock(&state->mutex);
    int is_last = --state->running == 0;
    int is_orphan = is_last && !state->is_waited_for;
    if (is_last)
        pthread_cond_signal(&state->news);
    pthread_mutex_unlock(&state->mutex);
    if (!is_orphan)
        return;
    for (int i = 0; i < atomic_load(&state->count); i++)
        forget_worker(state, i);
    state_free(state);
}

/* The workers of all censuses of this process, as /proc numbers them. They are not there
 * to be found, by any of them. */
static _Atomic int known_workers[MOST_KNOWN];
static _Atomic int unknown_workers; /* started, and not there yet */
static _Atomic int known_owner;

/* A fork has none of them. */
static void forget_others_workers(void) {
    int owner = atomic_load(&known_owner);
    int self = pyns_process();
    if (owner == self || !atomic_compare_exchange_strong(&known_owner, &owner, self))
        return;
    if (owner == 0)
        return; /* It is the first time, and others may be at it. */
    for (int i = 0; i < MOST_KNOWN; i++)
        atomic_store(&known_workers[i], 0);
    atomic_store(&unknown_workers, 0);
}

static void replace_known(int old, int tid) {
    for (int i = 0; i < MOST_KNOWN; i++) {
        int expected = old;
        if (atomic_compare_exchange_strong(&known_workers[i], &expected, tid))
            return;
    }
}

/* Let go of a worker that is gone. */
void forget_worker(struct state *state, int index) {
    int tid = atomic_exchange(&state->tids[index], 0);
    if (tid != 0)
        replace_known(tid, 0);
}

/* Whether a thread of this process is a worker. By then all know who they are, or will
 * in a moment. */
int is_worker(int tid) {
    while (atomic_load(&unknown_workers) > 0)
        sched_yield();
    for (int i = 0; i < MOST_KNOWN; i++)
        if (atomic_load(&known_workers[i]) == tid)
            return 1;
    return 0;
}

/* How many files may be kept open, beside those of the moment. With thousands, the memory
 * that the kernel takes for them would cost more than all the rest. */
static int room_for_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur <= SPARE_FILES)
        return 0;
    rlim_t room = limit.rlim_cur - SPARE_FILES;
    return room > MOST_HELD ? MOST_HELD : (int)room;
}

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    struct state *state = worker->state;
    int index = (int)(worker - state->workers);
    state->kernel_tids[index] = (int)syscall(SYS_gettid);
    /* A table of its own, with nothing in it; where that is refused, the common one. */
    if (syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        worker->may_hold = room_for_files(); /* which are closed with it */
    worker->failed = equip(worker, &state->plan);
    int tid = worker->failed < 0 ? 0 : own_number(worker->plan.proc, "thread-self");
    atomic_store(&state->tids[index], tid);
    replace_known(0, tid);
    atomic_fetch_sub(&unknown_workers, 1);
    work(worker);
    wait_for_others(state);
    if (worker->plan.proc >= 0)
        close(worker->plan.proc);
    leave(state);
    return NULL;
}

/* Start as many as can be had; return how many. */
int start_workers(struct state *state, int wanted) {
    pthread_attr_t attributes;
    sigset_t all, before;
    int count = 0;
    if (pthread_attr_init(&attributes) != 0) {
        atomic_store(&state->count, 0);
        return 0;
    }
    (void)pthread_attr_setstacksize(&attributes, STACK);
    /* Signals are for the threads that know what to do with them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    state->running = wanted;
    forget_others_workers();
    atomic_fetch_add(&unknown_workers, wanted);
    while (count < wanted && pthread_create(&state->threads[count], &attributes,
                                            run_worker, &state->workers[count]) == 0)
        count++;
    atomic_fetch_sub(&unknown_workers, wanted - count);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&state->mutex);
    state->running -= wanted - count;
    atomic_store(&state->count, count);
    pthread_cond_broadcast(&state->finish);
    pthread_mutex_unlock(&state->mutex);
    return count;
}

/* The calling thread's own work, where no thread can be had. */
void work_alone(struct state *state) {
    struct worker *worker = &state->workers[0];
    worker->failed = equip(worker, &state->plan);
    work(worker);
    if (worker->plan.proc >= 0)
        close(worker->plan.proc);
}
