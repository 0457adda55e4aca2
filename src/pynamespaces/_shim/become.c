/* The last of a child: from the namespaces, where it is by now, to the program.
 *
 * Ids are changed by the bare system calls: the C library's functions would have every
 * thread of the caller's change them too, in whose memory this may run. */
#include "birth.h"

#include <sys/prctl.h>
#include <sys/uio.h>
#if __has_include(<linux/capability.h>)
#include <linux/capability.h>
#endif

#define KERNEL_SIGSET_SIZE (64 / 8)
#define LAST_SIGNAL 64

static void at(struct room *room, int step) {
    pyns_at(&room->trace, step, 0);
}

/* --- signals ---------------------------------------------------------------------- */

/* What the kernel has, without a handler. */
static int set_default(int number) {
    struct {
        void (*handler)(int);
        unsigned long rest[3];
    } action = {.handler = SIG_DFL};
    return (int)syscall(SYS_rt_sigaction, number, &action, NULL, KERNEL_SIGSET_SIZE);
}

static int has_handler(int number) {
    struct {
        void (*handler)(int);
        unsigned long rest[3];
    } action = {.handler = SIG_DFL};
    syscall(SYS_rt_sigaction, number, NULL, &action, KERNEL_SIGSET_SIZE);
    return action.handler != SIG_DFL && action.handler != SIG_IGN;
}

/* No handler of the caller's may run here, nor in the moment before execve(2). */
static void set_signals(struct room *room) {
    for (int number = 1; !room->has_clone3 && number <= LAST_SIGNAL; number++)
        if (has_handler(number))
            set_default(number);
    if (room->ignores_sigchld)
        (void)signal(SIGCHLD, SIG_IGN);
    if (room->plan.restore_signals) {
        set_default(SIGPIPE); /* which Python ignores */
        set_default(SIGXFSZ);
    }
}

/* --- descriptors ------------------------------------------------------------------ */

#define AS_IT_IS (-1)

/* Off the numbers that are about to be given away. */
static int move_up(int *fd, int least) {
    if (*fd < 0 || *fd >= least)
        return 0;
    int moved = PYNS_RESULT(fcntl(*fd, F_DUPFD_CLOEXEC, least));
    if (moved >= 0)
        *fd = moved;
    return moved;
}

static int put(int fd, int number) {
    if (fd == number)
        return PYNS_RESULT(fcntl(fd, F_SETFD, 0));
    return fd == AS_IT_IS ? 0 : PYNS_RESULT(dup2(fd, number));
}

static int set_stdio(const int *stdio) {
    int in = stdio[0], out = stdio[3], err = stdio[5];
    int result = move_up(&out, 1);
    if (result >= 0)
        result = move_up(&err, 2);
    if (result >= 0)
        result = put(in, 0);
    if (result >= 0)
        result = put(out, 1);
    if (result >= 0)
        result = put(err, 2);
    return result < 0 ? result : 0;
}

static void close_between(unsigned int first, unsigned int last) {
    const unsigned int most = 1U << 20;
    if (first > last || syscall(SYS_close_range, first, last, 0U) == 0)
        return;
    for (unsigned int fd = first; fd <= last && fd < most; fd++)
        close((int)fd);
}

static int set_descriptors(const struct pyns_spawn *plan) {
    unsigned int from = 3;
    for (int i = 0; i < plan->keep_count; i++) {
        if (fcntl(plan->keep_fds[i], F_SETFD, 0) < 0)
            return -errno;
        unsigned int fd = (unsigned int)plan->keep_fds[i];
        if (plan->close_fds && fd > from)
            close_between(from, fd - 1);
        from = fd >= from ? fd + 1 : from;
    }
    if (plan->close_fds)
        close_between(from, ~0U);
    return 0;
}

/* --- ids and capabilities --------------------------------------------------------- */

/* So that none of the caller's groups are taken along to where they mean others. Who
 * may not drop them, here or there, could not have gained anything by them. */
int pyns_drop_groups(struct room *room) {
    at(room, PYNS_STEP_GROUPS);
    int result = PYNS_RESULT(syscall(SYS_setgroups, 0UL, NULL));
    return result < 0 && result != -EPERM ? result : 0;
}

/* Who may look into a process whose ids change is up to fs.suid_dumpable. It has memory
 * of its own, or ids would not change. */
static int set_gid(struct room *room, unsigned int gid) {
    at(room, PYNS_STEP_GID);
    int result = PYNS_RESULT(syscall(SYS_setresgid, gid, gid, gid));
    prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
    return result;
}

static int set_uid(struct room *room, unsigned int uid) {
    at(room, PYNS_STEP_UID);
    int result = PYNS_RESULT(syscall(SYS_setresuid, uid, uid, uid));
    prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
    return result;
}

/* Where 0 is not mapped, who it is must be: else the program had the caller's own id,
 * with what that may do outside. Who is nobody here may at most become the one there
 * is. */
int pyns_become_root(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    int result = set_gid(room, 0);
    if (result == -EINVAL && !plan->has_gid)
        result = set_gid(room, getegid());
    if (result < 0 && result != -EINVAL)
        return result;
    if (result == -EINVAL && !plan->has_gid)
        return result;
    result = set_uid(room, 0);
    if (result == -EINVAL && !plan->has_uid)
        result = set_uid(room, geteuid());
    return result == -EINVAL && plan->has_uid ? 0 : result;
}

static int set_ids(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    int result = 0;
    if (plan->group_count >= 0) {
        at(room, PYNS_STEP_GROUPS);
        result = PYNS_RESULT(
            syscall(SYS_setgroups, (unsigned long)plan->group_count, plan->groups));
    }
    if (result == 0 && plan->has_gid)
        result = set_gid(room, plan->gid);
    if (result == 0 && plan->has_uid) {
        /* Else its capabilities would go with the id. */
        if (plan->caps != PYNS_CAPS_RULES)
            prctl(PR_SET_KEEPCAPS, 1UL, 0UL, 0UL, 0UL);
        result = set_uid(room, plan->uid);
    }
    return result;
}

static int is_in(uint64_t set, int cap) {
    return (int)(set >> cap & 1);
}

/* While it still has CAP_SETPCAP. */
static int set_bounds(uint64_t set) {
    for (unsigned long cap = 0; cap < 64; cap++) {
        int is_bound = prctl(PR_CAPBSET_READ, cap, 0UL, 0UL, 0UL);
        if (is_bound < 0)
            break; /* This kernel has no more. */
        if (is_bound && !is_in(set, (int)cap) &&
            prctl(PR_CAPBSET_DROP, cap, 0UL, 0UL, 0UL) < 0)
            return -errno;
    }
    return 0;
}

/* Ambient capabilities outlast execve(2), whatever the uid. */
static int make_ambient(uint64_t set) {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL) < 0)
        return -errno;
    for (unsigned long cap = 0; cap < 64; cap++)
        if (is_in(set, (int)cap) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0UL, 0UL) < 0)
            return -errno;
    return 0;
}

static int set_caps(const struct pyns_spawn *plan) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    uint64_t set = plan->caps == PYNS_CAPS_KEEP ? permitted : plan->cap_set;
    for (int i = 0; i < 2; i++) {
        uint32_t half = (uint32_t)(set >> (32 * i));
        data[i].permitted = data[i].effective = data[i].inheritable = half;
    }
    if (syscall(SYS_capset, &header, data) < 0)
        return -errno;
    return make_ambient(set);
}

/* --- all of it -------------------------------------------------------------------- */

static int set_groups_of_processes(const struct pyns_spawn *plan) {
    if (plan->new_session && setsid() < 0)
        return -errno;
    if (plan->process_group >= 0 && setpgid(0, plan->process_group) < 0)
        return -errno;
    return 0;
}

/* The directory is looked up with the rights of before, as subprocess does, or else
 * with those of the user that the program runs as. */
static int set_power_and_place(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    at(room, PYNS_STEP_CHDIR);
    int moved = plan->cwd ? PYNS_RESULT(chdir(plan->cwd)) : 0;
    if (moved < 0 && moved != -EACCES)
        return moved;
    at(room, PYNS_STEP_SESSION);
    int result = set_groups_of_processes(plan);
    if (result == 0 && plan->caps == PYNS_CAPS_ONLY) {
        at(room, PYNS_STEP_CAPS);
        result = set_bounds(plan->cap_set);
    }
    if (result == 0)
        result = set_ids(room);
    if (result == 0 && plan->caps != PYNS_CAPS_RULES) {
        at(room, PYNS_STEP_CAPS);
        result = set_caps(plan);
    }
    if (result == 0 && plan->no_new_privs) {
        at(room, PYNS_STEP_NO_NEW_PRIVS);
        result = PYNS_RESULT(prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL));
    }
    if (result == 0 && moved < 0) {
        at(room, PYNS_STEP_CHDIR);
        result = PYNS_RESULT(chdir(plan->cwd));
    }
    return result;
}

/* As execvpe(3): what is there, but cannot be executed, is told before what is not. */
static int execute(struct room *room) {
    int told = 0, last = -ENOENT;
    for (int i = 0; i < room->plan.file_count; i++) {
        execve(room->files[i], room->argv, room->envp);
        last = -errno;
        if (last != -ENOENT && last != -ENOTDIR && !told)
            told = last;
    }
    return told ? told : last;
}

/* Become the program: return only -errno. */
int pyns_become(struct room *room) {
    const struct pyns_spawn *plan = &room->plan;
    at(room, PYNS_STEP_FILTER);
    int result = plan->filter ? pyns_submit(room) : 0;
    if (result < 0)
        return result;
    at(room, PYNS_STEP_STDIO);
    result = set_stdio(plan->stdio);
    if (result == 0)
        result = set_power_and_place(room);
    if (result < 0)
        return result;
    if (plan->umask >= 0)
        umask((mode_t)plan->umask);
    set_signals(room);
    at(room, PYNS_STEP_STDIO);
    result = set_descriptors(plan);
    if (result < 0)
        return result;
    at(room, PYNS_STEP_EXECVE);
    pyns_restore_signals(room->signals);
    return execute(room);
}
