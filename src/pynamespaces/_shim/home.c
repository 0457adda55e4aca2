/* Where a thread was before it entered: is there a way back, and going it. */
#include "thread.h"

/* NS_GET_ID, or 0. */
uint64_t pyns_unique_of(int fd) {
    uint64_t unique = 0;
    return ioctl(fd, NS_GET_ID, &unique) < 0 ? 0 : unique;
}

/* The owner's NS_GET_ID; 0 without one; -errno where the owner may not be known. */
static int owner_of(int fd, uint64_t *owner) {
    int user = ioctl(fd, NS_GET_USERNS);
    *owner = 0;
    if (user < 0)
        return -errno;
    *owner = pyns_unique_of(user);
    close(user);
    return 0;
}

/* The same of a target, remembered; 0 where it is not to be had. */
static uint64_t owner_of_target(struct pyns_target *target) {
    uint64_t owner = __atomic_load_n(&target->owner, __ATOMIC_RELAXED);
    int fd = __atomic_load_n(&target->fd, __ATOMIC_ACQUIRE);
    if (owner || owner_of(fd, &owner) < 0)
        return owner;
    /* Another thread may be closing it: then the number may be another's. */
    if (__atomic_load_n(&target->fd, __ATOMIC_ACQUIRE) != fd)
        return 0;
    __atomic_store_n(&target->owner, owner, __ATOMIC_RELAXED);
    return owner;
}

int pyns_same_namespace(int fd, uint64_t unique, const struct pyns_target *target) {
    struct stat facts;
    if (unique && target->unique)
        return unique == target->unique;
    /* Sound because both are held open. */
    return fstat(fd, &facts) == 0 && facts.st_dev == target->dev &&
           facts.st_ino == target->ino;
}

/* A way back exists when the caller has power over the user namespace that owns its
 * home. That it has power over the target's is for the kernel to say, so where both
 * have one owner, an entry that succeeds can be undone, whatever the credentials.
 * Else the owner must be the caller's own user namespace or below it: exactly then
 * NS_GET_USERNS tells it, and CAP_SYS_ADMIN in the own one, without which no entry
 * succeeds, reaches it. */
static int check_way_back(struct thread *thread, int index, int home, uint64_t unique,
                          struct pyns_target *target) {
    if (pyns_types[index].nstype == CLONE_NEWUSER)
        return -PYNS_EONEWAY;
    if (target && unique && unique == thread->known[index].unique &&
        owner_of_target(target) == thread->known[index].owner &&
        thread->known[index].owner)
        return 0;
    uint64_t owner;
    int result = owner_of(home, &owner);
    if (result < 0)
        return result == -EPERM ? -PYNS_EONEWAY : result;
    thread->known[index].unique = unique;
    thread->known[index].owner = owner;
    return 0;
}

/* The clock that children get can be put back only where it is the thread's own. */
static int check_time_children(struct thread *thread, int index, int home) {
    struct stat own, children;
    int fd = pyns_open_own(thread, index, 1);
    if (fd < 0)
        return fd;
    int result = 0;
    if (fstat(home, &own) < 0 || fstat(fd, &children) < 0)
        result = -errno;
    else if (own.st_ino != children.st_ino)
        result = -PYNS_EPENDING;
    close(fd);
    return result;
}

/* Open the root and working directories, which setns moves to the target's top. They
 * are looked up by ".", which needs the right to search them, as coming back does. */
static int save_directories(struct thread *thread, struct home *home) {
    const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    thread->last_step = PYNS_STEP_ROOT;
    home->root = open("/.", flags);
    if (home->root >= 0) {
        thread->last_step = PYNS_STEP_CWD;
        home->cwd = open(".", flags);
    }
    if (home->cwd >= 0)
        return 0;
    return errno == EACCES ? -PYNS_ESEARCH : -errno;
}

/* Open the namespace where the thread is. 1: it is the target, and was closed. */
static int open_home(struct thread *thread, int index, struct pyns_target *target,
                     struct home *home, uint64_t *unique) {
    int for_children = home->nstype == CLONE_NEWPID;
    for (;;) {
        home->fd = pyns_open_own(thread, index, for_children);
        if (home->fd < 0) {
            /* A pid namespace without a first process has no link to open. */
            int pending = for_children && home->fd == -ENOENT;
            return pending ? -PYNS_EPENDING : home->fd;
        }
        home->unique = *unique = pyns_unique_of(home->fd);
        int there = target && pyns_same_namespace(home->fd, *unique, target);
        /* Asking whether the pidfd is ours costs, so a home seen before is believed,
         * but for saying that there is nothing to do. */
        int doubtful = there || !*unique || *unique != thread->known[index].unique;
        if (doubtful && home->nstype == CLONE_NEWNET)
            pyns_doubt_warmth(thread, home->fd);
        if (!doubtful || !pyns_was_misled(thread)) {
            if (there)
                pyns_close_home(home);
            return there;
        }
        pyns_close_home(home);
    }
}

/* Save the way back from an entry, or refuse where there is none. 1: the thread is
 * in the target, and nothing was saved. A NULL target: any other namespace. */
int pyns_save_home(struct thread *thread, int nstype, struct pyns_target *target,
                   struct home *home) {
    int index = pyns_index_of(nstype);
    uint64_t unique = 0;
    *home = (struct home){.nstype = nstype, .fd = -1, .root = -1, .cwd = -1};
    thread->last_type = nstype;
    thread->last_step = PYNS_STEP_HOME;
    if (index < 0)
        return -EINVAL;
    if (target && target->fd < 0)
        return -PYNS_ECLOSED;
    int result = open_home(thread, index, target, home, &unique);
    if (result != 0)
        return result;
    if (nstype == CLONE_NEWTIME)
        result = check_time_children(thread, index, home->fd);
    if (result == 0)
        result = check_way_back(thread, index, home->fd, unique, target);
    if (result == 0 && nstype == CLONE_NEWNS)
        result = save_directories(thread, home);
    if (result < 0)
        pyns_close_home(home);
    return result;
}

/* Go back; `inherited`: it was a parent of this process that entered. */
int pyns_go_home(struct thread *thread, const struct home *home, int inherited) {
    thread->last_type = home->nstype;
    thread->last_step = PYNS_STEP_SETNS;
    /* Children like to close descriptors that they do not know, and the number may
     * be another namespace's now. */
    if (inherited && pyns_unique_of(home->fd) != home->unique)
        return -EBADF;
    if (setns(home->fd, home->nstype) < 0) {
        /* A child forked inside was born in the target. It can never leave that, and
         * its own children are due there already. */
        int born_there = home->nstype == CLONE_NEWPID && errno == EINVAL && inherited;
        return born_there ? 0 : -errno;
    }
    if (home->nstype != CLONE_NEWNS)
        return 0;
    /* setns landed on the topmost mount over "/", which need not be the old root,
     * and has left any chroot. */
    thread->last_step = PYNS_STEP_FCHDIR;
    if (fchdir(home->root) < 0)
        return -errno;
    thread->last_step = PYNS_STEP_CHROOT;
    if (chroot(".") < 0)
        return -errno;
    thread->last_step = PYNS_STEP_FCHDIR;
    return PYNS_RESULT(fchdir(home->cwd));
}
