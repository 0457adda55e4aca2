/* Before a helper task runs: what a child of the calling thread would be born into, and
 * what it would have that is worth taking. */
#include "task.h"

static int differs(struct thread *thread, int nstype, int *children) {
    struct stat own_facts, facts;
    int index = pyns_index_of(nstype);
    int own = pyns_open_own_surely(thread, index, 0);
    if (own < 0) /* This kernel may have no such namespaces. */
        return own == -ENOENT ? 0 : own;
    *children = pyns_open_own_surely(thread, index, 1);
    int result = *children;
    if (result >= 0 && (fstat(own, &own_facts) < 0 || fstat(*children, &facts) < 0))
        result = -errno;
    else if (result >= 0)
        result = own_facts.st_ino != facts.st_ino;
    close(own);
    return result;
}

/* Whether the pid namespace for children has had an init, which may be dead: then the
 * kernel refuses to start anything there. Without one, a child is refused another id than
 * 1 (EINVAL). None is born of this question in any case, for want of a place for its
 * pidfd. Where clone3 is hidden, ask whether the link leads somewhere: up to Linux 6.18
 * it does once there is an init; on 7.2 it does before. */
static int had_init(void) {
    pid_t tid = 2;
    struct clone_arguments args = {.flags = CLONE_VM | CLONE_PIDFD,
                                   .set_tid = (uint64_t)(uintptr_t)&tid,
                                   .set_tid_size = 1};
    long result = syscall(SYS_clone3, &args, sizeof(args));
    if (result < 0 && errno != ENOSYS)
        return errno != EINVAL;
    int fd = open("/proc/thread-self/ns/pid_for_children", O_PATH | O_CLOEXEC);
    pyns_close(fd);
    return fd >= 0;
}

/* Into which pid namespace children of this thread are born: its own or another, or
 * -PYNS_EINIT: a fresh one, whose init the next of them will be. */
int pyns_birthplace(struct thread *thread) {
    int children = -1;
    int result = differs(thread, CLONE_NEWPID, &children);
    if (result == -ENOENT) /* Before Linux 6.11 the link is there once there is one. */
        result = -PYNS_EINIT;
    else if (result > 0)
        result = ioctl(children, NS_GET_TGID_FROM_PIDNS, 1UL) < 0 && errno == ESRCH &&
                         !had_init()
                     ? -PYNS_EINIT
                     : BORN_AMONG_OTHERS;
    pyns_close(children);
    return result;
}

/* A helper task would be the init of such a one, and end it by ending. */
int pyns_refuse_to_be_init(struct thread *thread) {
    int result = pyns_birthplace(thread);
    return result < 0 ? result : 0;
}

/* Or in a fresh time namespace, whose clocks a task apart would set for good. */
int pyns_refuse_to_set_clocks(struct thread *thread) {
    int children = -1;
    int result = differs(thread, CLONE_NEWTIME, &children);
    pyns_close(children);
    if (result <= 0)
        return result == -ENOENT ? 0 : result;
    thread->last_type = CLONE_NEWTIME;
    return -PYNS_EPENDING;
}

/* Whether the calling thread has capabilities. */
static int is_powerful(void) {
    struct {
        uint32_t version;
        int pid;
    } header = {.version = 0x20080522 /* _LINUX_CAPABILITY_VERSION_3 */};
    struct {
        uint32_t effective, permitted, inheritable;
    } data[2] = {{0}};
    if (syscall(SYS_capget, &header, data) < 0)
        return 1;
    return data[0].permitted || data[1].permitted;
}

/* Whose this process's files in /proc are while it is hidden; or -errno. */
static int64_t owner_when_hidden(void) {
    struct stat facts;
    int result = pyns_hide();
    if (result < 0)
        return result;
    int folder = pyns_open_own_proc();
    int file = folder < 0 ? folder : pyns_open_in_proc(folder, "uid_map", O_PATH);
    int64_t owner = file;
    if (file >= 0)
        owner = fstat(file, &facts) < 0 ? (int64_t)-errno : (int64_t)facts.st_uid;
    pyns_close(file);
    pyns_close(folder);
    pyns_show();
    return owner;
}

/* How to run in a user namespace where nobody is yet, but other processes of this user
 * have power: they may look into this one as well, unless it has capabilities. Hidden,
 * it must still be able to write its own files in /proc. */
int pyns_style_for_fresh_userns(void) {
    if (!is_powerful())
        return TASK_SHARING;
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    thread->last_step = PYNS_STEP_SETGROUPS;
    thread->last_type = CLONE_NEWUSER;
    int64_t owner = owner_when_hidden();
    if (owner < 0 || owner == geteuid())
        return owner < 0 ? (int)owner : TASK_HIDDEN;
    /* Root of a user namespace in which it has executed no program: outside, this user
     * has power over it anyway. */
    return geteuid() == 0 ? TASK_SHARING : -EACCES;
}
