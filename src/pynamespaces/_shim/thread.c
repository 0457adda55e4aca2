/* The record of the calling thread, kept here and not in Python: an entry that
 * succeeded is on record before a signal handler can raise, a thread that ends leaves
 * no descriptor behind, and the two calls of `with` stay cheap. Fork copies it like
 * all memory, and the descriptors with it, so a child can leave what its parent had
 * entered. */
#include "thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

static __thread struct thread *self;
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int have_thread_end;

/* A forked child inherits this thread's pidfd, which then speaks of the parent's
 * thread. The kernel wipes this page in a child, whichever way it was forked. */
static unsigned int *epoch_page;
static unsigned int last_epoch;

static void end_thread(void *value);

void pyns_after_fork(void) {
    pyns_cool_down();
    pyns_show_after_fork();
}

static void start(void) {
    have_thread_end = pthread_key_create(&thread_end, end_thread) == 0;
    epoch_page = mmap(NULL, sizeof(*epoch_page), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (epoch_page == MAP_FAILED ||
        madvise(epoch_page, sizeof(*epoch_page), MADV_WIPEONFORK) < 0)
        epoch_page = NULL; /* Without the page no pidfd is kept. */
    pyns_warm_up();
    (void)pthread_atfork(pyns_before_fork, pyns_after_fork_in_parent, pyns_after_fork);
}

/* The number of this process among its forebears; 0: cannot be told. */
unsigned int pyns_epoch(void) {
    if (!epoch_page)
        return 0;
    unsigned int epoch = __atomic_load_n(epoch_page, __ATOMIC_RELAXED);
    if (epoch)
        return epoch;
    /* Just forked. Threads of the child may meet here: one number wins. */
    unsigned int next = __atomic_add_fetch(&last_epoch, 1, __ATOMIC_RELAXED);
    if (__atomic_compare_exchange_n(epoch_page, &epoch, next, 0, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED))
        return next;
    return epoch;
}

/* Which process this is, told from those that it was forked from. Ids do not tell: each
 * of them may be the first process of a pid namespace. */
int pyns_process(void) {
    pthread_once(&once, start);
    unsigned int epoch = pyns_epoch();
    return epoch ? (int)epoch : getpid();
}

/* The thread has moved for good, by CLONE_NEW* flags or (0) some: what was known of
 * its homes would be believed without need. What is held for the process is its
 * leader's. */
void pyns_forget_homes(int flags) {
    if (self)
        memset(self->known, 0, sizeof(self->known));
    if ((!flags || flags & CLONE_NEWNET) && syscall(SYS_gettid) == getpid())
        pyns_cool_down();
}

void pyns_close_home(struct home *home) {
    pyns_close(home->fd);
    pyns_close(home->root);
    pyns_close(home->cwd);
    home->fd = home->root = home->cwd = -1;
}

void pyns_close_frame(struct frame *frame) {
    for (int i = 0; i < frame->count; i++)
        pyns_close_home(&frame->homes[i]);
    frame->count = 0;
}

static void end_thread(void *value) {
    struct thread *thread = value;
    pyns_drop_pidfd(thread);
    for (int i = 0; i < thread->depth; i++)
        pyns_close_frame(&thread->frames[i]);
    free(thread->frames);
    free(thread);
    self = NULL;
}

struct thread *pyns_self(void) {
    if (self)
        return self;
    pthread_once(&once, start);
    struct thread *thread = have_thread_end ? calloc(1, sizeof(*thread)) : NULL;
    if (!thread)
        return NULL;
    thread->pidfd = -1;
    if (pthread_setspecific(thread_end, thread) != 0) {
        free(thread);
        return NULL;
    }
    return self = thread;
}

struct thread *pyns_known_self(void) {
    return self;
}

/* --- for Python ------------------------------------------------------------------ */

int pyns_last_step(void) {
    return self ? self->last_step : PYNS_STEP_MEMORY;
}

int pyns_last_type(void) {
    return self ? self->last_type : 0;
}

int pyns_lost(void) {
    return self ? self->lost : 0;
}

int pyns_depth(void) {
    return self ? self->depth : 0;
}
