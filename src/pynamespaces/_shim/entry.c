/* Entering and leaving: a stack per thread, left in order. */
#include "thread.h"

#include <stdlib.h>

/* A thread that was joined counts for a moment longer, and the kernel refuses to a
 * process with threads what it would do a moment later. */
static int is_due_to_threads(const struct thread *thread, const struct home *home,
                             int result) {
    return thread->last_step == PYNS_STEP_SETNS &&
           ((home->nstype == CLONE_NEWNS && result == -EINVAL) ||
            (home->nstype == CLONE_NEWTIME && result == -EUSERS));
}

/* Go back by one home. `final`: not to be tried again. Then a thread that shares its
 * root and working directory with one that was started inside parts from it: that
 * one stays inside, and this one comes home. */
static int go_back_once(struct thread *thread, const struct home *home, int inherited,
                        int final) {
    int result = pyns_go_home(thread, home, inherited);
    if (result == 0 || !is_due_to_threads(thread, home, result))
        return result;
    if (!final)
        return -PYNS_ETHREADS;
    if (home->nstype == CLONE_NEWNS && unshare(CLONE_FS) == 0)
        return pyns_go_home(thread, home, inherited);
    return result;
}

/* Go back by all homes of a frame, the last first, and forget them. A way back that
 * fails does not keep the others from being tried: less is lost. -PYNS_ETHREADS: the
 * frame holds what remains. */
static int go_back(struct thread *thread, struct frame *frame, int final) {
    int failure = 0, step = PYNS_STEP_NONE, nstype = 0;
    int inherited = frame->epoch != pyns_epoch();
    while (frame->count > 0) {
        struct home *home = &frame->homes[frame->count - 1];
        int result = go_back_once(thread, home, inherited, final);
        if (result == -PYNS_ETHREADS)
            return result;
        if (result < 0 && !failure) {
            failure = result;
            step = thread->last_step;
            nstype = thread->last_type;
        }
        pyns_close_home(home);
        frame->count--;
    }
    if (failure) {
        thread->lost = -failure;
        thread->last_step = step;
        thread->last_type = nstype;
    }
    return failure;
}

/* Room for a frame, which is not on the stack until depth is raised. */
static struct frame *next_frame(struct thread *thread, uintptr_t owner) {
    if (thread->depth == thread->capacity) {
        int capacity = thread->capacity ? 2 * thread->capacity : 4;
        struct frame *frames =
            realloc(thread->frames, (size_t)capacity * sizeof(*frames));
        if (!frames)
            return NULL;
        thread->frames = frames;
        thread->capacity = capacity;
    }
    struct frame *frame = &thread->frames[thread->depth];
    frame->owner = owner;
    frame->epoch = pyns_epoch();
    frame->count = 0;
    return frame;
}

/* What every entry begins with: a thread that is not lost, and room on its stack. */
static int begin(uintptr_t owner, struct thread **thread, struct frame **frame) {
    *thread = pyns_self();
    if (!*thread)
        return -ENOMEM;
    (*thread)->last_type = 0;
    (*thread)->last_step = PYNS_STEP_MEMORY;
    if ((*thread)->lost)
        return -PYNS_ELOST;
    *frame = next_frame(*thread, owner);
    return *frame ? 0 : -ENOMEM;
}

/* Enter one namespace whose home is saved. */
static int switch_to(struct thread *thread, struct pyns_target *target,
                     const struct home *home, int unshare_fs) {
    int fd = __atomic_load_n(&target->fd, __ATOMIC_ACQUIRE);
    thread->last_type = target->nstype;
    thread->last_step = PYNS_STEP_SETNS;
    if (fd < 0)
        return -PYNS_ECLOSED;
    int result = PYNS_RESULT(setns(fd, target->nstype));
    /* Permission is checked before the shared root and working directory are, so
     * these are parted only when that is all that is in the way. */
    if (result == -EINVAL && target->nstype == CLONE_NEWNS && unshare_fs) {
        thread->last_step = PYNS_STEP_UNSHARE;
        result = PYNS_RESULT(unshare(CLONE_FS));
        if (result == 0) {
            thread->last_step = PYNS_STEP_SETNS;
            result = PYNS_RESULT(setns(fd, target->nstype));
        }
    }
    /* Python marks a handle as closed before it closes it. So if it is not marked
     * now, the number was the namespace's all along. */
    if (__atomic_load_n(&target->fd, __ATOMIC_ACQUIRE) == fd)
        return result;
    if (result == 0 && (result = pyns_go_home(thread, home, 0)) < 0) {
        thread->lost = -result;
        return -PYNS_ELOST;
    }
    return -PYNS_ECLOSED;
}

int pyns_enter(struct pyns_target *target) {
    struct thread *thread;
    struct frame *frame;
    int result = begin((uintptr_t)target, &thread, &frame);
    if (result < 0)
        return result;
    struct home *home = &frame->homes[0];
    result = pyns_save_home(thread, target->nstype, target, home);
    if (result == 0) {
        result = switch_to(thread, target, home, 0);
        if (result == 0)
            frame->count = 1;
        else
            pyns_close_home(home);
    }
    if (result < 0)
        return result;
    thread->depth++;
    return 0;
}

/* Enter all whose homes are saved in frame: so many. On failure nothing has changed, or
 * the thread is lost. */
static int enter_saved(struct thread *thread, struct frame *frame,
                       struct pyns_target **targets, int saved, int unshare_fs) {
    frame->count = saved;
    for (int i = 0; i < saved; i++) {
        int result = switch_to(thread, targets[i], &frame->homes[i], unshare_fs);
        if (result == 0)
            continue;
        int step = thread->last_step, nstype = thread->last_type;
        for (int j = i; j < saved; j++)
            pyns_close_home(&frame->homes[j]);
        frame->count = i;
        if (go_back(thread, frame, 1) < 0)
            return -PYNS_ELOST;
        thread->last_step = step;
        thread->last_type = nstype;
        return result;
    }
    return 0;
}

int pyns_enter_all(uintptr_t owner, struct pyns_target **targets, int count,
                   int unshare_fs) {
    struct thread *thread;
    struct frame *frame;
    struct pyns_target *moving[MAX_TYPES];
    int result = begin(owner, &thread, &frame);
    if (result < 0)
        return result;
    if (count > MAX_TYPES)
        return -E2BIG;
    int saved = 0;
    for (int i = 0; i < count; i++) {
        struct home *home = &frame->homes[saved];
        result = pyns_save_home(thread, targets[i]->nstype, targets[i], home);
        if (result < 0) {
            frame->count = saved;
            pyns_close_frame(frame);
            return result;
        }
        if (result == 0)
            moving[saved++] = targets[i];
    }
    result = enter_saved(thread, frame, moving, saved, unshare_fs);
    if (result < 0)
        return result;
    thread->depth++;
    return 0;
}

int pyns_unshare_scoped(uintptr_t owner, unsigned int flags) {
    struct thread *thread;
    struct frame *frame;
    int result = begin(owner, &thread, &frame);
    if (result < 0)
        return result;
    for (int i = 0; i < MAX_TYPES && result >= 0; i++) {
        int nstype = pyns_types[i].nstype;
        if (!(flags & (unsigned int)nstype))
            continue;
        result = pyns_save_home(thread, nstype, NULL, &frame->homes[frame->count]);
        if (result >= 0)
            frame->count++;
    }
    if (result >= 0) {
        thread->last_type = 0;
        thread->last_step = PYNS_STEP_UNSHARE;
        result = PYNS_RESULT(unshare((int)flags));
    }
    if (result < 0) {
        pyns_close_frame(frame);
        return result;
    }
    thread->depth++;
    return 0;
}

/* --- leaving --------------------------------------------------------------------- */

static struct frame *top_of(struct thread *thread) {
    return thread && thread->depth > 0 ? &thread->frames[thread->depth - 1] : NULL;
}

/* Leave the top of the stack; return how many namespaces were changed back. */
static int leave_top(struct thread *thread, int final) {
    struct frame *frame = &thread->frames[thread->depth - 1];
    int count = frame->count;
    int result = go_back(thread, frame, final);
    if (result == -PYNS_ETHREADS)
        return result;
    thread->depth--;
    return result < 0 ? result : count;
}

int pyns_leave(uintptr_t owner) {
    struct thread *thread = pyns_known_self();
    struct frame *frame = top_of(thread);
    return frame && frame->owner == owner ? leave_top(thread, 0) : -PYNS_EORDER;
}

int pyns_leave_target(struct pyns_target *target) {
    return pyns_leave((uintptr_t)target);
}

/* Go on with a leave that said -PYNS_ETHREADS, for the last time. */
int pyns_leave_finally(void) {
    struct thread *thread = pyns_known_self();
    return top_of(thread) ? leave_top(thread, 1) : -PYNS_EORDER;
}

/* Leave whatever this thread has entered since its stack was `depth` high. */
int pyns_undo(int depth) {
    struct thread *thread = pyns_known_self();
    int failure = 0;
    while (thread && thread->depth > depth) {
        int result = leave_top(thread, 1);
        failure = failure || result >= 0 ? failure : result;
    }
    return failure;
}

/* Stay for good in what `owner` entered last: the way back is given up. */
int pyns_stay(uintptr_t owner) {
    struct thread *thread = pyns_known_self();
    struct frame *frame = top_of(thread);
    if (!frame || frame->owner != owner)
        return -PYNS_EORDER;
    pyns_close_frame(frame);
    thread->depth--;
    pyns_forget_homes(0);
    return 0;
}
