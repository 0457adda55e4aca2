/* Reading all of /proc, as fast as the machine's cores allow.
 *
 * Threads of the shim's own do it. Python waits, now and then handling signals, and
 * takes part after part of what they find, so that it is busy meanwhile, too. Each has a
 * table of descriptors of its own: a fork by another thread inherits nothing of what it
 * opens, and the limit of open files is not shared. What it meets stays open there until
 * all are through. Where no threads can be had, the calling thread does it all. */
#include "census.h"

#include <stdlib.h>
#include <time.h>

/* How long a worker may take to notice that it is to stop: one process. */
#define PATIENCE 2000

static void worker_free(struct worker *worker) {
    tally_free(&worker->tally);
    map_free(&worker->known);
    map_free(&worker->toured);
    free(worker->meetings);
    free(worker->buffer);
}

void state_free(struct state *state) {
    for (int i = 0; i < MOST_WORKERS; i++)
        worker_free(&state->workers[i]);
    for (int i = 0; i < state->made; i++)
        tally_free(&state->parts[i]);
    free(state->parts);
    free(state->roll.pids);
    pthread_mutex_destroy(&state->mutex);
    pthread_cond_destroy(&state->news);
    pthread_cond_destroy(&state->finish);
    free(state);
}

static struct state *new_state(void) {
    pthread_condattr_t clock;
    struct state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return NULL;
    pthread_mutex_init(&state->mutex, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&state->news, &clock);
    pthread_cond_init(&state->finish, NULL);
    pthread_condattr_destroy(&clock);
    for (int i = 0; i < MOST_WORKERS; i++)
        state->workers[i].state = state;
    atomic_store(&state->count, -1);
    state->is_waited_for = 1;
    state->owner = pyns_process();
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
    size_t parts = (size_t)state->roll.total / PART + MOST_WORKERS;
    state->parts = calloc(parts, sizeof(*state->parts));
    if (state->parts == NULL)
        return -ENOMEM;
    census->total = state->roll.total;
    int wanted = census->most < MOST_WORKERS ? census->most : MOST_WORKERS;
    /* A thread costs about as much as some processes do. */
    if (wanted > 1 + state->roll.total / (4 * CHUNK))
        wanted = 1 + state->roll.total / (4 * CHUNK);
    if (start_workers(state, wanted) == 0)
        work_alone(state);
    return 0;
}

static struct timespec in_a_while(int milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += (milliseconds % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return until;
}

/* Take the next part, waiting so long for one; NULL: there is none by then. */
static struct pyns_tally *next_part(struct state *state, int milliseconds,
                                    int *is_end) {
    struct timespec until = in_a_while(milliseconds);
    int result = 0;
    pthread_mutex_lock(&state->mutex);
    while (state->taken == state->made && state->running > 0 && result == 0)
        result = pthread_cond_timedwait(&state->news, &state->mutex, &until);
    int has_part = state->taken < state->made;
    *is_end = !has_part && state->running == 0;
    if (has_part && state->taken > 0)
        tally_free(&state->parts[state->taken - 1]);
    struct pyns_tally *part = has_part ? &state->parts[state->taken++] : NULL;
    pthread_mutex_unlock(&state->mutex);
    return part;
}

static int first_failure(const struct state *state) {
    for (int i = 0; i < MOST_WORKERS; i++)
        if (state->workers[i].failed < 0)
            return state->workers[i].failed;
    return 0;
}

/* 1: the next part is there, and the last one gone; 0: none yet; 2: that was all.
 * -ECHILD: this is a fork of the process that began it, and has none of the workers. */
int pyns_census_wait(struct pyns_census *census, int milliseconds) {
    struct state *state = census->state;
    int is_end;
    if (state->owner != pyns_process())
        return -ECHILD;
    const struct pyns_tally *part = next_part(state, milliseconds, &is_end);
    census->done = atomic_load(&state->done);
    if (part == NULL) {
        int failure = is_end ? first_failure(state) : 0;
        return is_end && failure == 0 ? 2 : failure;
    }
    census->tally = *part;
    return 1;
}

/* Wait until the workers are through, or so long, with the mutex held. */
static int wait_for_all(struct state *state, int milliseconds) {
    struct timespec until = in_a_while(milliseconds);
    int result = 0;
    while (state->running > 0 && result == 0)
        result = pthread_cond_timedwait(&state->news, &state->mutex, &until);
    return state->running == 0;
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
        forget_worker(state, i);
    }
    state_free(state);
}

/* Stop, and free all. Ending twice is allowed. */
int pyns_census_end(struct pyns_census *census) {
    struct state *state = census->state;
    census->state = NULL;
    memset(&census->tally, 0, sizeof(census->tally));
    if (state == NULL || state->owner != pyns_process())
        return 0; /* A fork cannot know in which state it is. */
    pthread_mutex_lock(&state->mutex);
    atomic_store(&state->cancelled, 1);
    pthread_cond_broadcast(&state->finish);
    int is_through = wait_for_all(state, PATIENCE);
    if (!is_through)
        abandon(state);
    pthread_mutex_unlock(&state->mutex);
    if (is_through)
        collect(state);
    return 0;
}
