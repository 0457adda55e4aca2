/* A helper task: a process of its own that does one thing elsewhere and is gone.
 *
 * It shares the descriptors of this process, so what it opens is ours, and (but for
 * setns(time)) its memory, so it costs the same however large this process is. It has
 * namespaces, root and working directory of its own, so no thread of ours is moved,
 * and it is a process with one thread, so it may enter what a threaded one may not.
 *
 * It runs with all signals blocked, on a stack of its own, while the calling thread
 * waits (CLONE_VFORK), whose errno and thread-local storage it shares: it must not
 * touch what is there but errno. It sends no signal when it ends, and only the thread
 * that made it can wait for it, so no handler or waiter of the program's is disturbed. */
#include "task.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

/* One mapping: the task's record at the bottom, its stack from the top. */
#define ROOM_SIZE 65536
#define ERRAND_SIZE 4096

struct task {
    task_work *work;
    int result;
    int parent; /* an inhabitant ends with the thread that made it */
    int ready;  /* an inhabitant has come to rest; or has failed */
    _Alignas(16) unsigned char errand[ERRAND_SIZE];
};

/* linux/futex.h */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1

/* The kernel's signal set; glibc's own functions leave out two signals of its own. */
#define KERNEL_SIGSET_SIZE (64 / 8)

static void block_signals(uint64_t *before) {
    uint64_t all = ~(uint64_t)0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, before, KERNEL_SIGSET_SIZE);
}

static void restore_signals(const uint64_t *before) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, before, NULL, KERNEL_SIGSET_SIZE);
}

/* A child of this thread may be due in a fresh pid namespace: a helper task would
 * become its init, and end it by ending. */
static int refuse_to_be_init(struct thread *thread) {
    int index = pyns_index_of(CLONE_NEWPID);
    struct stat own_facts, facts;
    int result = 0;
    int own = pyns_open_own_surely(thread, index, 0);
    if (own < 0) /* This kernel may have no such namespaces. */
        return own == -ENOENT ? 0 : own;
    int children = pyns_open_own_surely(thread, index, 1);
    if (children < 0) {
        close(own);
        /* Before Linux 6.11 the link is there once there is an init. */
        return children == -ENOENT ? -PYNS_EINIT : children;
    }
    if (fstat(own, &own_facts) < 0 || fstat(children, &facts) < 0)
        result = -errno;
    else if (own_facts.st_ino != facts.st_ino &&
             ioctl(children, NS_GET_TGID_FROM_PIDNS, 1UL) < 0 && errno == ESRCH)
        result = -PYNS_EINIT;
    close(own);
    close(children);
    return result;
}

static int run(void *argument) {
    struct task *task = argument;
    task->result = task->work((struct trace *)task->errand);
    return 0;
}

/* Start it; returns its pid. The kernel gives no namespace flags here: what is to be
 * fresh the work unshares, which old kernels and seccomp filters know best. */
static int start(struct task *task, int (*entry)(void *), int flags) {
    return PYNS_RESULT(clone(entry, (char *)task + ROOM_SIZE, flags, task));
}

static struct task *new_task(int sharing) {
    struct task *task = mmap(NULL, ROOM_SIZE, PROT_READ | PROT_WRITE,
                             sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return task == MAP_FAILED ? NULL : task;
}

static void wait_for(int pid) {
    /* Another waiter may have been quicker (__WALL): it is gone all the same. */
    while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
}

int pyns_run_task(task_work *work, struct trace *errand, size_t size,
                  enum task_memory memory) {
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    thread->last_step = PYNS_STEP_CLONE;
    thread->last_type = 0;
    if (size > ERRAND_SIZE)
        return -E2BIG;
    int result = refuse_to_be_init(thread);
    if (result < 0)
        return result;
    int shares = memory == TASK_SHARES_MEMORY;
    struct task *task = new_task(shares ? MAP_PRIVATE : MAP_SHARED);
    if (!task)
        return -ENOMEM;
    task->work = work;
    task->result = -ECANCELED; /* What it says if it is killed before it can speak. */
    memcpy(task->errand, errand, size);

    uint64_t signals;
    block_signals(&signals);
    int pid = start(task, run, CLONE_VFORK | CLONE_FILES | (shares ? CLONE_VM : 0));
    if (pid >= 0)
        wait_for(pid);
    restore_signals(&signals);

    result = pid < 0 ? pid : task->result;
    if (pid >= 0) {
        memcpy(errand, task->errand, size);
        thread->last_step = errand->step;
        thread->last_type = errand->nstype;
    }
    munmap(task, ROOM_SIZE);
    return result;
}

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

/* Entering a user namespace of somebody else's makes a process undumpable, and with it
 * all that share its memory: their files in /proc become root's. */
int pyns_task_enter_userns(struct trace *trace, int fd) {
    pyns_at(trace, PYNS_STEP_SETNS, CLONE_NEWUSER);
    int dumpable = prctl(PR_GET_DUMPABLE);
    if (setns(fd, CLONE_NEWUSER) < 0)
        return -errno;
    if (dumpable == 1 && prctl(PR_GET_DUMPABLE) != 1)
        prctl(PR_SET_DUMPABLE, 1);
    return 0;
}

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
        return -EPERM;
    return setns(fd, nstype) < 0 ? -errno : 0;
}

/* --- inhabitants: helper tasks that rest in a user namespace until dismissed --- */

struct residence {
    struct trace trace;
    int userns;
};

static long futex(int *word, int operation, int value, const struct timespec *timeout) {
    return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

static void announce(struct task *task) {
    __atomic_store_n(&task->ready, 1, __ATOMIC_RELEASE);
    futex(&task->ready, FUTEX_WAKE, 1, NULL);
}

/* From the announcement on, the calling thread runs as well, so nothing here may fail
 * and write the errno that both have. */
static int reside(void *argument) {
    struct task *task = argument;
    struct residence *residence = (struct residence *)task->errand;
    task->result = pyns_task_enter_userns(&residence->trace, residence->userns);
    if (task->result == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    int parent = getppid(); /* 0: it is in a pid namespace further out */
    if (parent != 0 && parent != task->parent)
        task->result = -ECANCELED;
    announce(task);
    while (task->result == 0)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
    return 0;
}

/* Wait until it rests or has failed; -1: it was killed from outside, and is gone. */
static int await(struct task *task, int pid) {
    const struct timespec patience = {.tv_nsec = 20 * 1000 * 1000};
    while (!__atomic_load_n(&task->ready, __ATOMIC_ACQUIRE)) {
        futex(&task->ready, FUTEX_WAIT, 0, &patience);
        if (waitpid(pid, NULL, __WALL | WNOHANG) != 0)
            return -1;
    }
    return 0;
}

/* Put a task into a user namespace, for its maps to be read and written by others: it
 * holds nothing and does nothing. It ends with this process at the latest. */
int pyns_inhabit(int userns, struct pyns_inhabitant *inhabitant) {
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    thread->last_step = PYNS_STEP_CLONE;
    thread->last_type = 0;
    int result = refuse_to_be_init(thread);
    if (result < 0)
        return result;
    struct task *task = new_task(MAP_PRIVATE);
    if (!task)
        return -ENOMEM;
    struct residence *residence = (struct residence *)task->errand;
    residence->userns = userns;
    task->result = -ECANCELED;
    task->parent = getpid();

    uint64_t signals;
    block_signals(&signals);
    int pid = start(task, reside, CLONE_VM | CLONE_FILES);
    int is_gone = pid < 0 || await(task, pid) < 0;
    restore_signals(&signals);

    *inhabitant = (struct pyns_inhabitant){.pid = is_gone ? 0 : pid, .room = task};
    result = pid < 0 ? pid : task->result;
    if (pid >= 0) {
        thread->last_step = residence->trace.step;
        thread->last_type = residence->trace.nstype;
    }
    if (result < 0 || is_gone) {
        pyns_dismiss(inhabitant);
        return result < 0 ? result : -ECANCELED;
    }
    return 0;
}

/* End an inhabitant; on the thread that made it. Twice is allowed. */
int pyns_dismiss(struct pyns_inhabitant *inhabitant) {
    if (inhabitant->pid > 0 && inhabitant->room) {
        kill(inhabitant->pid, SIGKILL);
        wait_for(inhabitant->pid);
    }
    if (inhabitant->room)
        munmap(inhabitant->room, ROOM_SIZE);
    *inhabitant = (struct pyns_inhabitant){0};
    return 0;
}
