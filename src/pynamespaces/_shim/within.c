/* What a helper task does first: to be where it is needed. */
#include "task.h"

#include <sys/prctl.h>

/* End with the thread that started it, which waits. It would hold all that it shares.
 */
int pyns_depend_on_caller(const struct task *task) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int parent = getppid(); /* 0: it is in a pid namespace further out */
    return parent == 0 || parent == task->parent ? 0 : -ECANCELED;
}

void pyns_at(struct trace *trace, int step, int nstype) {
    trace->step = step;
    trace->nstype = nstype;
}

/* Before it runs: it will need this descriptor. */
void pyns_use(struct trace *trace, int fd) {
    if (fd >= 0 && trace->uses_count < MAX_TYPES)
        trace->uses[trace->uses_count++] = fd;
}

/* Leave a descriptor for the caller; or pass on -errno. */
int pyns_give(struct trace *trace, int fd) {
    if (fd < 0)
        return fd;
    /* In this order, for who collects them if the task is killed in between. */
    trace->gives[trace->gives_count] = fd;
    __atomic_store_n(&trace->gives_count, trace->gives_count + 1, __ATOMIC_RELEASE);
    return 0;
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
    int folder = pyns_open_own_proc();
    if (folder < 0)
        return folder;
    int links = pyns_open_in_proc(folder, "ns", O_PATH | O_DIRECTORY);
    pyns_close(folder);
    if (links < 0)
        return links;
    /* Nothing can be mounted on such a link. */
    const char *link = for_children ? facts->child_link : facts->link;
    int fd = PYNS_RESULT(openat(links, link, O_RDONLY | O_CLOEXEC));
    pyns_close(links);
    return fd;
}

/* Whether the calling task is in that namespace. */
static int is_there(int fd, int nstype) {
    struct stat own_facts, facts;
    int own = pyns_task_own_namespace(nstype);
    if (own < 0)
        return 0;
    int same = fstat(own, &own_facts) == 0 && fstat(fd, &facts) == 0 &&
               own_facts.st_ino == facts.st_ino && own_facts.st_dev == facts.st_dev;
    close(own);
    return same;
}

int pyns_task_enter_userns(struct trace *trace, int fd) {
    pyns_at(trace, PYNS_STEP_SETNS, CLONE_NEWUSER);
    if (trace->style != TASK_APART)
        return TASK_FOREIGN;
    return pyns_setns_alone(fd);
}

static int let_nobody_look(void) {
    return PYNS_RESULT(prctl(PR_SET_DUMPABLE, 0));
}

/* Join a user namespace, with memory of its own that nobody there may see. */
int pyns_setns_alone(int userns) {
    int result = let_nobody_look();
    if (result < 0)
        return result;
    if (setns(userns, CLONE_NEWUSER) < 0)
        return -errno;
    /* Which that may have changed: both, and the first by fs.suid_dumpable. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    return let_nobody_look();
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
    int result = is_there(owner, CLONE_NEWUSER) ? -EPERM
                                                : pyns_task_enter_userns(trace, owner);
    close(owner);
    pyns_at(trace, PYNS_STEP_SETNS, nstype);
    if (result < 0)
        return result == TASK_FOREIGN ? TASK_FOREIGN : -EPERM;
    return setns(fd, nstype) < 0 ? -errno : 0;
}
