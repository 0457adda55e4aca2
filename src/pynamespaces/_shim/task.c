/* A helper task: a process of its own that does one thing elsewhere and is gone.
 *
 * It has namespaces, root and working directory of its own, so no thread of ours is
 * moved, and it is a process with one thread, so it may enter what a threaded one may
 * not. Most share our memory and descriptors: what they open is ours, and they cost the
 * same however large this process is.
 *
 * Whoever has power in a user namespace has it over every process inside, whatever that
 * is otherwise. So a task that joins one has memory and descriptors of its own, closes
 * all that it does not need, is undumpable, so that nobody traces it, and sends what it
 * has opened.
 *
 * A sharing task runs on a stack of its own, but with the thread-local storage of the
 * calling thread: it must not touch what is there but errno. So the calling thread
 * waits, with all signals blocked, and makes no call meanwhile that could fail.
 * The task sends no signal when it ends, so no handler or waiter of the program's is
 * disturbed (but for who waits for any child with __WALL). */
#include "task.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

/* The kernel's signal set; glibc's own functions leave out two signals of its own. */
#define KERNEL_SIGSET_SIZE (64 / 8)

#define MOST_SLICES 256

uint64_t pyns_block_signals(void) {
    uint64_t all = ~(uint64_t)0, before;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, KERNEL_SIGSET_SIZE);
    return before;
}

void pyns_restore_signals(uint64_t before) {
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, KERNEL_SIGSET_SIZE);
}

/* Whether a signal would do nothing: while it is blocked, it waits all the same. */
static int is_ignored(int number) {
    struct sigaction action;
    /* Of glibc's own two it says nothing, but writes errno. */
    if (number == 32 || number == 33 || sigaction(number, NULL, &action) < 0)
        return 1;
    if (action.sa_handler == SIG_DFL)
        return number == SIGCHLD || number == SIGCONT || number == SIGURG ||
               number == SIGWINCH;
    return action.sa_handler == SIG_IGN;
}

/* Whether a signal waits to be handled that was not blocked before. */
static int is_signalled(uint64_t before) {
    uint64_t pending = 0;
    syscall(SYS_rt_sigpending, &pending, KERNEL_SIGSET_SIZE);
    pending &= ~before;
    for (int number = 1; pending; number++, pending >>= 1)
        if (pending & 1 && !is_ignored(number))
            return 1;
    return 0;
}

int pyns_prepare_task(void) {
    struct thread *thread = pyns_self();
    if (!thread)
        return -ENOMEM;
    thread->last_step = PYNS_STEP_CLONE;
    thread->last_type = 0;
    return pyns_refuse_to_be_init(thread);
}

static struct task *new_task(enum task_style style) {
    int sharing = style == TASK_APART ? MAP_SHARED : MAP_PRIVATE;
    struct task *task = mmap(NULL, TASK_ROOM, PROT_READ | PROT_WRITE,
                             sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return task == MAP_FAILED ? NULL : task;
}

void pyns_free_task(struct task *task) {
    if (task->is_hiding)
        pyns_show();
    pyns_close(task->pidfd);
    pyns_close(task->inbox);
    PYNS_CLEAR_SHADOW(task, TASK_ROOM);
    munmap(task, TASK_ROOM);
}

/* Start it; *pid is 0 or more, or -errno. All signals are blocked, in it for ever. The
 * kernel is given no namespace flags: what is to be fresh the work unshares. */
struct task *pyns_start_task(task_work *work, int (*entry)(void *),
                             struct trace *errand, size_t size, int *pid) {
    int ends[2] = {-1, -1};
    int is_apart = errand->style == TASK_APART;
    struct task *task = size > TASK_ERRAND ? NULL : new_task(errand->style);
    *pid = -ENOMEM;
    if (!task)
        return NULL;
    task->pidfd = -1;
    task->inbox = -1;
    if (is_apart &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        *pid = -errno;
        return task;
    }
    task->work = work;
    task->result = -ECANCELED; /* What it says if it is killed before it can speak. */
    task->parent = getpid();
    task->owner = pyns_process();
    task->outbox = ends[1];
    task->inbox = ends[0];
    memcpy(task->errand, errand, size);
    if (errand->style == TASK_HIDDEN) {
        *pid = pyns_hide();
        if (*pid < 0)
            return task;
        task->is_hiding = 1;
    }
    /* CLONE_PIDFD writes here, while the task reads the rest. */
    int pidfd = -1;
    int flags = CLONE_PIDFD | (is_apart ? 0 : CLONE_VM | CLONE_FILES);
    *pid = PYNS_RESULT(clone(entry, (char *)task + TASK_ROOM, flags, task, &pidfd));
    if (is_apart) /* A sharing one may be using the errno that this would write. */
        pyns_close(ends[1]);
    task->pidfd = pidfd;
    return task;
}

static long wait_for(int pid, int *status, int options) {
    long found;
    do
        found = syscall(SYS_wait4, pid, status, options, NULL);
    while (found < 0 && errno == EINTR);
    return found;
}

static int is_done(const struct task *task) {
    return __atomic_load_n(&task->done, __ATOMIC_ACQUIRE);
}

/* Wait until it has ended, or (rest) has done its work and rests. 0: it has done it.
 * -ECANCELED: it was killed, or stopped, by whoever could. -EINTR: it takes long, and a
 * signal waits to be handled. But for a rest, it is gone then. */
int pyns_await_task(struct task *task, int pid, uint64_t signals, int rest) {
    struct pollfd end = {.fd = task->pidfd, .events = POLLIN};
    struct thread *thread = pyns_self();
    for (int slices = 0;; slices++) {
        struct timespec slice = {.tv_nsec = rest ? 500 * 1000 : 20 * 1000 * 1000};
        long ended = syscall(SYS_ppoll, &end, 1, &slice, NULL, 0);
        if (ended < 0) /* No memory for it now: look again later. */
            nanosleep(&slice, NULL);
        if (rest && is_done(task))
            return 0;
        int status = 0, options = __WALL | WUNTRACED | (ended > 0 ? 0 : WNOHANG);
        if (wait_for(pid, &status, options) != 0) {
            if (WIFSTOPPED(status))
                pyns_end_task(task, pid);
            return is_done(task) && !rest ? 0 : -ECANCELED;
        }
        if (slices >= thread->patience && is_signalled(signals)) {
            pyns_end_task(task, pid);
            if (is_done(task) && !rest)
                return 0;
            /* Signals may come faster than the work can be done: then it gets longer
             * with each try, up to some seconds. */
            int longer = 2 * slices + 1;
            thread->patience = longer < MOST_SLICES ? longer : MOST_SLICES;
            return -EINTR;
        }
    }
}

/* End it, wherever it is, and wait for that. By pidfd: another waiter may have been
 * quicker, and the id be somebody else's. */
void pyns_end_task(struct task *task, int pid) {
    if (syscall(SYS_pidfd_send_signal, task->pidfd, SIGKILL, NULL, 0) < 0)
        kill(pid, SIGKILL); /* Old seccomp filters know no pidfds. */
    wait_for(pid, NULL, __WALL);
}

/* Take over what the task says and gives; what it gives is closed if it failed. */
int pyns_collect_task(struct task *task, struct trace *errand, size_t size) {
    memcpy(errand, task->errand, size);
    int result = task->result;
    if (errand->style == TASK_APART && result == 0)
        result = pyns_receive_gifts(task->inbox, errand);
    else if (errand->style == TASK_APART)
        errand->gives_count = 0;
    for (; result < 0 && errand->gives_count > 0; errand->gives_count--)
        pyns_close(errand->gives[errand->gives_count - 1]);
    return result;
}

static int run(void *argument) {
    struct task *task = argument;
    struct trace *errand = (struct trace *)task->errand;
    int result = pyns_depend_on_caller(task);
    if (result == 0 && errand->style == TASK_APART)
        result = pyns_retreat(task);
    if (result == 0)
        result = task->work(errand);
    if (result == 0 && errand->style == TASK_APART)
        result = pyns_send_gifts(task);
    task->result = result;
    __atomic_store_n(&task->done, 1, __ATOMIC_RELEASE);
    if (errand->style == TASK_HIDDEN)
        pyns_let_go_of_descriptors();
    return 0;
}

static int run_once(struct thread *thread, task_work *work, struct trace *errand,
                    size_t size) {
    int pid;
    if (errand->style == TASK_APART) {
        int refused = pyns_refuse_to_set_clocks(thread);
        if (refused < 0)
            return refused;
    }
    uint64_t signals = pyns_block_signals();
    struct task *task = pyns_start_task(work, run, errand, size, &pid);
    int result = pid;
    if (pid >= 0) {
        result = pyns_await_task(task, pid, signals, 0);
        if (result != -EINTR)
            thread->patience = 0;
        if (result < 0)
            task->result = result;
        result = pyns_collect_task(task, errand, size);
        thread->last_step = errand->step;
        thread->last_type = errand->nstype;
    }
    if (task)
        pyns_free_task(task);
    pyns_restore_signals(signals);
    return result;
}

/* Run it; what it gives is in *errand, and nothing if it failed. */
int pyns_run_task(task_work *work, struct trace *errand, size_t size) {
    int result = pyns_prepare_task();
    if (result < 0)
        return result;
    struct thread *thread = pyns_self();
    result = run_once(thread, work, errand, size);
    if (result == TASK_FOREIGN) {
        errand->style = TASK_APART;
        result = run_once(thread, work, errand, size);
    }
    return result;
}

/* Run what gives one descriptor, which is in *fd before anything else can happen. */
int pyns_run_task_giving(task_work *work, struct trace *errand, size_t size, int *fd) {
    int result = pyns_run_task(work, errand, size);
    *fd = result == 0 && errand->gives_count == 1 ? errand->gives[0] : -1;
    return result;
}
