/* Reading all of /proc, as fast as the machine's cores allow.
 *
 * Threads of the shim's own do it. Python waits, now and then handling signals, and takes
 * what they have found. Each has a table of descriptors of its own: a fork by another
 * thread inherits nothing of it, and the limit of open files is not shared. Where no
 * threads can be had, the calling thread does it all. */
#include "census.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define MOST_WORKERS 8
#define CHUNK 16
#define STACK (256 * 1024)
/* How long a worker may take to notice that it is to stop: one process. */
#define PATIENCE 2000

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

struct state {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    int running;  /* workers; by the mutex, as is the next */
    int is_waited_for;
    int owner;    /* the process whose threads they are */
    _Atomic int count; /* of workers; -1: not known yet */
    _Atomic int next, done, cancelled, started;
    _Atomic int tids[MOST_WORKERS];
    int kernel_tids[MOST_WORKERS];
    pthread_t threads[MOST_WORKERS];
    struct worker workers[MOST_WORKERS];
    struct pyns_tally tallies[MOST_WORKERS];
    struct plan plan;
    struct roll roll;
};

static void state_free(struct state *state) {
    for (int i = 0; i < MOST_WORKERS; i++)
        tally_free(&state->workers[i]);
    free(state->roll.pids);
    pthread_mutex_destroy(&state->mutex);
    pthread_cond_destroy(&state->ended);
    free(state);
}

static void work(struct state *state, struct worker *worker) {
    while (!atomic_load(&state->cancelled) && worker->failed == 0) {
        int first = atomic_fetch_add(&state->next, CHUNK);
        if (first >= state->roll.total)
            return;
        int last = first + CHUNK < state->roll.total ? first + CHUNK : state->roll.total;
        for (int i = first; i < last && !atomic_load(&state->cancelled); i++)
            visit_process(worker, state->roll.pids[i]);
        atomic_fetch_add(&state->done, last - first);
    }
}

static int equip(struct worker *worker, const struct plan *plan) {
    worker->plan = *plan;
    worker->buffer = malloc(READ_ROOM);
    worker->plan.proc = open_proc();
    return worker->buffer == NULL ? -ENOMEM : worker->plan.proc < 0 ? worker->plan.proc : 0;
}

/* Say that a worker is through; the last one clears up if nobody waits any more. */
static void leave(struct state *state) {
    pthread_mutex_lock(&state->mutex);
    int is_last = --state->running == 0;
    int is_orphan = is_last && !state->is_waited_for;
    if (is_last)
        pthread_cond_signal(&state->ended);
    pthread_mutex_unlock(&state->mutex);
    if (is_orphan)
        state_free(state);
}

/* Whether a thread of this process is one of the workers, which are nobody's to find. By
 * then they know who they are, or will in a moment. */
int is_worker(const struct worker *worker, int tid) {
    const struct state *state = worker->state;
    while (atomic_load(&state->started) != atomic_load(&state->count))
        sched_yield();
    for (int i = 0; i < atomic_load(&state->count); i++)
        if (atomic_load(&state->tids[i]) == tid)
            return 1;
    return 0;
}

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    struct state *state = worker->state;
    int index = (int)(worker - state->workers);
    state->kernel_tids[index] = (int)syscall(SYS_gettid);
    /* A table of its own, with nothing in it; where that is refused, the common one. */
    (void)syscall(SYS_close_range, 0U, ~0U, CLOSE_RANGE_UNSHARE);
    worker->failed = equip(worker, &state->plan);
    int tid = worker->failed < 0 ? 0 : own_number(worker->plan.proc, "thread-self");
    atomic_store(&state->tids[index], tid);
    atomic_fetch_add(&state->started, 1);
    work(state, worker);
    confirm_namespaces(worker);
    if (worker->plan.proc >= 0)
        close(worker->plan.proc);
    leave(state);
    return NULL;
}

/* Start as many as can be had; return how many. */
static int start_workers(struct state *state, int wanted) {
    pthread_attr_t attributes;
    sigset_t all, before;
    int count = 0;
    if (pthread_attr_init(&attributes) != 0)
        return 0;
    (void)pthread_attr_setstacksize(&attributes, STACK);
    /* Signals are for the threads that know what to do with them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    state->running = wanted;
    while (count < wanted && pthread_create(&state->threads[count], &attributes,
                                            run_worker, &state->workers[count]) == 0)
        count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&state->mutex);
    state->running -= wanted - count;
    pthread_mutex_unlock(&state->mutex);
    atomic_store(&state->count, count);
    return count;
}

/* The calling thread's own work, where no thread can be had. */
static void work_alone(struct state *state) {
    struct worker *worker = &state->workers[0];
    worker->failed = equip(worker, &state->plan);
    work(state, worker);
    confirm_namespaces(worker);
    if (worker->plan.proc >= 0)
        close(worker->plan.proc);
}

static struct state *new_state(void) {
    pthread_condattr_t clock;
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return NULL;
    pthread_mutex_init(&state->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&state->ended, &clock);
    pthread_condattr_destroy(&clock);
    for (int i = 0; i < MOST_WORKERS; i++)
        state->workers[i].state = state;
    atomic_store(&state->count, -1);
    state->is_waited_for = 1;
    state->owner = getpid();
    return state;
}

/* Begin. -ENOENT: /proc is none. */
int pyns_census_start(struct pyns_census *census) {
    struct state *state = new_state();
    if (state == NULL)
        return -ENOMEM;
    census->state = state;
    int result = make_plan(&state->plan, census, &state->roll);
    if (result < 0)
        return result;
    census->total = state->roll.total;
    int wanted = census->most < MOST_WORKERS ? census->most : MOST_WORKERS;
    /* A thread costs about as much as some processes do. */
    if (wanted > 1 + state->roll.total / (4 * CHUNK))
        wanted = 1 + state->roll.total / (4 * CHUNK);
    if (start_workers(state, wanted) == 0)
        work_alone(state);
    return 0;
}

/* Wait until all workers are through, or so long, with the mutex held. */
static int wait_for(struct state *state, int milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (milliseconds % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    int result = 0;
    while (state->running > 0 && result == 0)
        result = pthread_cond_timedwait(&state->ended, &state->mutex, &until);
    return state->running == 0;
}

/* 1 when all is there, 0 when it is not yet. -ECHILD: this is a fork of the process that
 * began it, and has none of the workers. */
int pyns_census_wait(struct pyns_census *census, int milliseconds) {
    struct state *state = census->state;
    if (state->owner != getpid())
        return -ECHILD;
    pthread_mutex_lock(&state->mutex);
    int is_through = wait_for(state, milliseconds);
    pthread_mutex_unlock(&state->mutex);
    census->done = atomic_load(&state->done);
    if (!is_through)
        return 0;
    int count = atomic_load(&state->count);
    census->count = count == 0 ? 1 : count;
    for (int i = 0; i < census->count; i++) {
        if (state->workers[i].failed < 0)
            return state->workers[i].failed;
        state->tallies[i] = state->workers[i].tally;
    }
    census->tallies = state->tallies;
    return 1;
}

/* Let go of workers that are stuck, as in a file system that does not answer: the last
 * one clears up. */
static void abandon(struct state *state) {
    state->is_waited_for = 0;
    for (int i = 0; i < atomic_load(&state->count); i++)
        pthread_detach(state->threads[i]);
}

static void collect(struct state *state) {
    for (int i = 0; i < atomic_load(&state->count); i++) {
        pthread_join(state->threads[i], NULL);
        /* The kernel may count a thread for a while after that. */
        (void)pyns_is_gone(state->kernel_tids[i], 10000);
    }
    state_free(state);
}

/* Stop, and free all. Ending twice is allowed. */
int pyns_census_end(struct pyns_census *census) {
    struct state *state = census->state;
    census->state = NULL;
    census->tallies = NULL;
    if (state == NULL || state->owner != getpid())
        return 0; /* A fork cannot know in which state it is. */
    atomic_store(&state->cancelled, 1);
    pthread_mutex_lock(&state->mutex);
    int is_through = wait_for(state, PATIENCE);
    if (!is_through)
        abandon(state);
    pthread_mutex_unlock(&state->mutex);
    if (is_through)
        collect(state);
    return 0;
}
