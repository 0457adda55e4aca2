/* What a helper task does first: to be where it is needed. */
#include "task.h"

void pyns_at(struct trace *trace, int step, int nstype) {
    trace->step = step;
    trace->nstype = nstype;
}

/* Open one of the helper task's namespaces; of time, where its children are born. */
int pyns_task_own_namespace(int nstype) {
    const struct type_facts *facts = &pyns_types[pyns_index_of(nstype)];
    int for_children = nstype == CLONE_NEWTIME;
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (pidfd >= 0) {
        unsigned int request = for_children ? facts->child_request : facts->request;
        int fd = ioctl(pidfd, request, 0UL);
        pyns_close(pidfd);
        if (fd >= 0)
            return fd;
    }
    int folder = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    int fd = PYNS_RESULT(openat(folder, for_children ? facts->child_link : facts->link,
                                O_RDONLY | O_CLOEXEC));
    close(folder);
    return fd;
}

static int is_same(int one, int other) {
    struct stat facts, other_facts;
    return fstat(one, &facts) == 0 && fstat(other, &other_facts) == 0 &&
           facts.st_ino == other_facts.st_ino && facts.st_dev == other_facts.st_dev;
}

/* Whether the calling task is in that namespace. */
static int is_there(int fd, int nstype) {
    int own = pyns_task_own_namespace(nstype);
    int same = own >= 0 && is_same(own, fd);
    pyns_close(own);
    return same;
}

/* Whether a user namespace was made by this user, or is within one that was: whoever
 * has power there has it over this user's processes anyway. The kernel leaves the
 * dumpable flag alone by the same rule (cred_cap_issubset). */
int pyns_is_own_creation(int userns) {
    uid_t owner;
    int answer = 0;
    int below = fcntl(userns, F_DUPFD_CLOEXEC, 0);
    while (below >= 0) {
        int above = ioctl(below, NS_GET_PARENT);
        if (above >= 0 && is_there(above, CLONE_NEWUSER)) {
            answer = ioctl(below, NS_GET_OWNER_UID, &owner) == 0 && owner == geteuid();
            pyns_close(above);
            above = -1;
        }
        pyns_close(below);
        below = above;
    }
    return answer;
}

int pyns_task_enter_userns(struct trace *trace, int fd) {
    pyns_at(trace, PYNS_STEP_SETNS, CLONE_NEWUSER);
    if (trace->memory == TASK_SHARES_MEMORY && !pyns_is_own_creation(fd))
        return TASK_FOREIGN;
    return setns(fd, CLONE_NEWUSER) < 0 ? -errno : 0;
}

/* Enter a namespace: as who the caller is, or else as root of the user namespace that
 * owns it, which the caller may have made. Who is there already needs no power; of
 * type mnt, the root is then the caller's. */
int pyns_task_enter(struct trace *trace, int fd, int nstype) {
    pyns_at(trace, PYNS_STEP_SETNS, nstype);
    if (setns(fd, nstype) == 0)
        return 0;
    int refusal = errno;
    if (refusal != EPERM || nstype == CLONE_NEWUSER)
        return -refusal;
    if (nstype != CLONE_NEWTIME && is_there(fd, nstype))
        return nstype == CLONE_NEWNS && chdir("/") < 0 ? -errno : 0;
    int owner = ioctl(fd, NS_GET_USERNS);
    if (owner < 0)
        return -EPERM;
    int result = pyns_task_enter_userns(trace, owner);
    close(owner);
    pyns_at(trace, PYNS_STEP_SETNS, nstype);
    if (result < 0)
        return result == TASK_FOREIGN ? TASK_FOREIGN : -EPERM;
    return setns(fd, nstype) < 0 ? -errno : 0;
}
