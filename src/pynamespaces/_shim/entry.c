/* Entering and leaving: a stack per thread, left in order. */
#include "thread.h"

#include <stdlib.h>

/* Go back by homes from..until of a frame, the last first. A way back that fails
 * does not keep the others from being tried: less is lost. */
static int go_back(struct thread *thread, const struct frame *frame, int from,
                   int until) {
    int failure = 0, step = PYNS_STEP_NONE, nstype = 0;
    int inherited = frame->epoch != pyns_epoch();
    for (int i = until - 1; i >= from; i--) {
        int result = pyns_go_home(thread, &frame->homes[i], inherited);
        if (result < 0 && !failure) {
            failure = result;
            step = thread->last_step;
            nstype = thread->last_type;
        }
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
    (*thread)->fresh = 0;
    (*thread)->last_type = 0;
    (*thread)->last_step = PYNS_STEP_MEMORY;
    if ((*thread)->lost)
        return -PYNS_ELOST;
    *frame = next_frame(*thread, owner);
    return *frame ? 0 : -ENOMEM;
}

static int commit(struct thread *thread) {
    thread->depth++;
    thread->fresh = 1;
    return 0;
}

static int switch_to(struct thread *thread, const struct pyns_target *target,
                     int unshare_fs) {
    thread->last_type = target->nstype;
    thread->last_step = PYNS_STEP_SETNS;
    if (setns(target->fd, target->nstype) == 0)
        return 0;
    /* Permission is checked before the shared root and working directory are, so
     * these are parted only when that is all that is in the way. */
    if (errno != EINVAL || target->nstype != CLONE_NEWNS || !unshare_fs)
        return -errno;
    thread->last_step = PYNS_STEP_UNSHARE;
    if (unshare(CLONE_FS) < 0)
        return -errno;
    thread->last_step = PYNS_STEP_SETNS;
    return PYNS_RESULT(setns(target->fd, target->nstype));
}

int pyns_enter(struct pyns_target *target) {
    struct thread *thread;
    struct frame *frame;
    int result = begin((uintptr_t)target, &thread, &frame);
    if (result < 0)
        return result;
    struct home *home = &frame->homes[0];
    result = pyns_save_home(thread, target->nstype, target, home);
    if (result == 1)
        return commit(thread);
    if (result < 0)
        return result;
    result = switch_to(thread, target, 0);
    if (result < 0) {
        pyns_close_home(home);
        return result;
    }
    frame->count = 1;
    return commit(thread);
}

/* Enter several by one setns(2), which changes all or nothing. Never mnt, whose
 * pidfd form moves the root and working directory of every thread of the process
 * when another type comes with it. 0, or negative: nothing changed, go one by one. */
static int enter_by_pidfd(struct thread *thread, struct frame *frame,
                          struct pyns_target **targets, int from, int pidfd) {
    int mask = 0;
    for (int i = from; i < frame->count; i++)
        mask |= targets[i]->nstype;
    if (frame->count - from < 2 || mask & CLONE_NEWNS || setns(pidfd, mask) < 0)
        return -1;
    /* The process may have moved on since the targets were opened. */
    for (int i = from; i < frame->count; i++) {
        int index = pyns_index_of(targets[i]->nstype);
        int fd = pyns_open_own_surely(thread, index, targets[i]->nstype == CLONE_NEWPID);
        int right = fd >= 0 && pyns_same_namespace(fd, pyns_unique_of(fd), targets[i]);
        pyns_close(fd);
        if (right)
            continue;
        (void)go_back(thread, frame, from, frame->count);
        return -1;
    }
    return 0;
}

/* Enter all that are saved in frame. On failure nothing has changed, or the thread
 * is lost. */
static int enter_saved(struct thread *thread, struct frame *frame,
                       struct pyns_target **targets, int pidfd, int unshare_fs) {
    int moved = 0;
    /* mnt is refused most often and is not for the pidfd; the caller puts it first. */
    while (moved < frame->count && targets[moved]->nstype == CLONE_NEWNS) {
        int result = switch_to(thread, targets[moved], unshare_fs);
        if (result < 0)
            return result;
        moved++;
    }
    if (pidfd >= 0) {
        if (enter_by_pidfd(thread, frame, targets, moved, pidfd) == 0)
            return 0;
        if (thread->lost) {
            (void)go_back(thread, frame, 0, moved);
            return -PYNS_ELOST;
        }
    }
    for (; moved < frame->count; moved++) {
        int result = switch_to(thread, targets[moved], 0);
        if (result < 0) {
            int step = thread->last_step, nstype = thread->last_type;
            if (go_back(thread, frame, 0, moved) < 0)
                return -PYNS_ELOST;
            thread->last_step = step;
            thread->last_type = nstype;
            return result;
        }
    }
    return 0;
}

int pyns_enter_all(uintptr_t owner, struct pyns_target **targets, int count, int pidfd,
                   int unshare_fs) {
    struct thread *thread;
    struct frame *frame;
    struct pyns_target *moving[MAX_TYPES];
    int result = begin(owner, &thread, &frame);
    if (result < 0)
        return result;
    if (count > MAX_TYPES)
        return -E2BIG;
    for (int i = 0; i < count; i++) {
        struct home *home = &frame->homes[frame->count];
        result = pyns_save_home(thread, targets[i]->nstype, targets[i], home);
        if (result < 0) {
            pyns_close_frame(frame);
            return result;
        }
        if (result == 0)
            moving[frame->count++] = targets[i];
    }
    result = enter_saved(thread, frame, moving, pidfd, unshare_fs);
    if (result < 0) {
        pyns_close_frame(frame);
        return result;
    }
    return commit(thread);
}

int pyns_unshare_scoped(uintptr_t owner, unsigned int flags) {
    struct thread *thread;
    struct frame *frame;
    int result = begin(owner, &thread, &frame);
    if (result < 0)
        return result;
    for (int i = 0; i < MAX_TYPES && result >= 0; i++)
        if (flags & (unsigned int)pyns_types[i].nstype) {
            result = pyns_save_home(thread, pyns_types[i].nstype, NULL,
                               &frame->homes[frame->count]);
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
    return commit(thread);
}

/* --- leaving --------------------------------------------------------------------- */

/* Return how many namespaces were changed back. */
static int leave_top(struct thread *thread) {
    struct frame *frame = &thread->frames[thread->depth - 1];
    int count = frame->count;
    int result = go_back(thread, frame, 0, count);
    pyns_close_frame(frame);
    thread->depth--;
    thread->fresh = 0;
    return result < 0 ? result : count;
}

int pyns_leave(uintptr_t owner) {
    struct thread *thread = pyns_known_self();
    if (!thread || thread->depth == 0 ||
        thread->frames[thread->depth - 1].owner != owner)
        return -PYNS_EORDER;
    return leave_top(thread);
}

int pyns_leave_target(struct pyns_target *target) {
    return pyns_leave((uintptr_t)target);
}

/* Undo the last entry of this thread, if it succeeded and nothing came after it. */
int pyns_undo(void) {
    struct thread *thread = pyns_known_self();
    return thread && thread->fresh ? leave_top(thread) : 0;
}
