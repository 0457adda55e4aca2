/* Who is to be read in a census, and what its workers must know for that. */
#include "census.h"

#include <stdlib.h>
#include <sys/stat.h>

static int add_pid(struct worker *worker, int folder, int pid, void *context) {
    struct roll *roll = context;
    (void)worker, (void)folder;
    if (roll->total == roll->room) {
        int room = roll->room == 0 ? 1024 : roll->room * 2;
        int *larger = realloc(roll->pids, (size_t)room * sizeof(*larger));
        if (larger == NULL)
            return -ENOMEM;
        roll->pids = larger;
        roll->room = room;
    }
    roll->pids[roll->total++] = pid;
    return 0;
}

#define PROC_ROOT_INO 1

/* /proc, and nothing that somebody has put in its place. */
int open_proc(void) {
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return -errno;
    struct stat facts;
    if (pyns_is_procfs(proc) == 1 && fstat(proc, &facts) == 0 &&
        facts.st_ino == PROC_ROOT_INO)
        return proc;
    close(proc);
    return -ENOENT;
}

/* The number that a link in /proc ends in. */
int own_number(int proc, const char *name) {
    char text[64];
    ssize_t size = readlinkat(proc, name, text, sizeof(text) - 1);
    if (size <= 0)
        return -1;
    text[size] = '\0';
    const char *slash = strrchr(text, '/');
    return (int)strtol(slash == NULL ? text : slash + 1, NULL, 10);
}

static int call_the_roll(int proc, struct roll *roll) {
    int folder = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    int result = for_each_number(folder, add_pid, NULL, roll);
    close(folder);
    return result;
}

static int look_around(struct plan *plan, int proc) {
    struct stat facts;
    /* All kernels have this type, and the thread may read its own. */
    if (fstatat(proc, "thread-self/ns/mnt", &facts, 0) < 0)
        return -errno;
    plan->nsfs = facts.st_dev;
    plan->self = own_number(proc, "self");
    plan->own_pid = link_inode(proc, "thread-self/ns/pid");
    plan->own_mnt = link_inode(proc, "thread-self/ns/mnt");
    plan->has_own_ids = plan->self == getpid();
    if (!plan->has_own_ids)
        plan->want &= ~(uint32_t)PYNS_WANT_SOCKETS; /* they take a pidfd */
    return 0;
}

/* What to read, of whom. -ENOENT: /proc is none. */
int make_plan(struct plan *plan, const struct pyns_census *census, struct roll *roll) {
    int proc = open_proc();
    if (proc < 0)
        return proc;
    *plan = (struct plan){.links = census->links, .want = census->want, .proc = -1};
    int result = look_around(plan, proc);
    if (result == 0)
        result = call_the_roll(proc, roll);
    close(proc);
    return result;
}
