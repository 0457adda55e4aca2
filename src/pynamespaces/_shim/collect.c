/* Starting a program: taking over what has been started, and ending it. */
#include "birth.h"

#include <sys/socket.h>
#include <sys/wait.h>

void pyns_close_and_forget(int *fd) {
    pyns_close(*fd);
    *fd = -1;
}

long pyns_wait_for(int pidfd, int pid, siginfo_t *info, unsigned int options) {
    int type = pidfd >= 0 ? PYNS_P_PIDFD : P_PID;
    id_t id = (id_t)(pidfd >= 0 ? pidfd : pid);
    return syscall(SYS_waitid, type, id, info, options, NULL);
}

/* By its pidfd, or where there is none, by its id, if a child of ours has it. */
static void kill_and_reap(int pidfd, int pid) {
    siginfo_t info;
    unsigned int look = WEXITED | WNOHANG | WNOWAIT | __WALL;
    long told = -1;
    if (pidfd >= 0)
        told = PYNS_RESULT(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
    /* Old seccomp filters know no pidfds. */
    if (pid > 0 && (pidfd < 0 || told == -ENOSYS) &&
        pyns_wait_for(-1, pid, &info, look) == 0)
        kill(pid, SIGKILL);
    if (pidfd >= 0 || pid > 0)
        while (pyns_wait_for(pidfd, pid, &info, WEXITED | __WALL) < 0 && errno == EINTR)
            ;
}

/* Whether it has ended without having executed anything: then it still would send no
 * signal. Its memory it has let go of; so it may be ending just now, and is waited for.
 * Who has executed something is not waited for: there is no such child. */
int pyns_died_before_execve(int pidfd) {
    siginfo_t info;
    unsigned int options = WEXITED | WNOWAIT | __WCLONE;
    long told;
    while ((told = pyns_wait_for(pidfd, 0, &info, options)) < 0 && errno == EINTR)
        ;
    return told == 0;
}

/* Take over one handle, with the id that its sender has here. Return its tag; 0: there
 * is none; or -errno. */
static int take_handle(int inbox, int *handle, int *pid) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    char tag = 0;
    struct iovec data = {.iov_base = &tag, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    *handle = -1;
    if (recvmsg(inbox, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0)
        return 0;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    for (; head; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_type == SCM_RIGHTS) {
            /* By its alignment there is room for two; a second one is nobody's. */
            int sent[2] = {-1, -1};
            size_t size = head->cmsg_len - CMSG_LEN(0);
            memcpy(sent, CMSG_DATA(head), size < sizeof(sent) ? size : sizeof(sent));
            *handle = sent[0];
            pyns_close(sent[1]);
        }
        struct ucred sender;
        if (head->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&sender, CMSG_DATA(head), sizeof(sender));
            *pid = sender.pid;
        }
    }
    return tag;
}

#define HANDLES 4

/* Take over what the children have sent, each once and in the order in which they do.
 * What an init sends after it is for later, and comes from where others may have power
 * over it. 1: all is there; 0: not; or -errno. */
int pyns_take_handles(struct pyns_spawn *spawn, int *guard_pid) {
    const struct room *room = spawn->room;
    const char order[] = {'g', 'c', 'p', 'l'};
    int *handles[] = {&spawn->guard_pidfd, &spawn->pidfd, &spawn->program_pidfd,
                      &spawn->listener};
    const int wanted[] = {spawn->guard >= 0, room->in_two_steps, spawn->init >= 0,
                          spawn->filter != NULL};
    int pids[HANDLES] = {0}, result = 1, next = 0;
    int missing = wanted[0] + wanted[1] + wanted[2] + wanted[3];
    for (int left = missing; left > 0; left--) {
        int handle, pid = 0;
        int tag = take_handle(room->inbox, &handle, &pid);
        /* Who was killed has sent nothing; the next may have. */
        int i = next;
        while (i < HANDLES && (!wanted[i] || order[i] != tag))
            i++;
        if (i == HANDLES) {
            pyns_close(handle);
            break;
        }
        *handles[i] = handle;
        pids[i] = pid;
        next = i + 1;
        missing--;
        if (handle < 0)
            result = -EMFILE;
    }
    if (missing > 0 && result > 0)
        result = 0;
    *guard_pid = pids[0];
    if (pids[1] > 0)
        spawn->pid = pids[1];
    return result;
}

/* The ids that the stage knew are this process's own too: not where it was born in
 * another pid namespace. */
int pyns_knows_ids(const struct room *room) {
    return room->stage_self == room->stage_pid;
}

/* The stage is gone: kill and reap the others. Those of which nothing is known end by
 * themselves, by its end. */
static void end_children(struct pyns_spawn *spawn, int guard_pid) {
    const struct room *room = spawn->room;
    int born = room && pyns_knows_ids(room) ? room->settler_born : 0;
    int guard_born = room && pyns_knows_ids(room) ? room->guard_born : 0;
    kill_and_reap(spawn->pidfd, spawn->pid > 0 ? spawn->pid : born);
    kill_and_reap(spawn->guard_pidfd, guard_pid > 0 ? guard_pid : guard_born);
}

void pyns_leave_room(struct pyns_spawn *spawn) {
    pyns_free_room(spawn->room);
    spawn->room = NULL;
}

/* A record of nothing yet. */
int pyns_spawn_clear(struct pyns_spawn *spawn) {
    *spawn = (struct pyns_spawn){
        .owner = pyns_process(), .userns = -1, .timens = -1, .cgroup = -1,
        .resident = -1, .init = -1, .guard = -1, .at_home = -1, .group_count = -1,
        .umask = -1, .process_group = -1, .pidfd = -1, .program_pidfd = -1,
        .channel = -1, .guard_pidfd = -1, .listener = -1, .setup = {.hostname_length = -1},
    };
    return 0;
}

/* Close what is open; the program goes on. */
static int close_all(struct pyns_spawn *spawn) {
    siginfo_t info;
    if (spawn->guard_pidfd >= 0) /* if it has ended */
        pyns_wait_for(spawn->guard_pidfd, 0, &info, WEXITED | WNOHANG | __WALL);
    pyns_close_and_forget(&spawn->pidfd);
    pyns_close_and_forget(&spawn->program_pidfd);
    pyns_close_and_forget(&spawn->guard_pidfd);
    pyns_close_and_forget(&spawn->channel);
    pyns_close_and_forget(&spawn->listener);
    pyns_close_and_forget(&spawn->resident);
    return 0;
}

/* In a child that has been forked since, it is the parent's. */
static int is_inherited(const struct pyns_spawn *spawn) {
    return spawn->owner != pyns_process();
}

static int forget(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    if (room) {
        room->is_hiding = 0; /* put right after the fork */
        pyns_leave_room(spawn);
    }
    return close_all(spawn);
}

/* Kill and reap what has been started, and close and free what belongs to it; twice is
 * allowed. */
int pyns_spawn_abandon(struct pyns_spawn *spawn) {
    struct room *room = spawn->room;
    int guard_pid = 0;
    if (is_inherited(spawn))
        return forget(spawn);
    if (room && room->in_two_steps) {
        /* It first, since it might give birth to another meanwhile. */
        kill_and_reap(room->stage_pidfd, room->stage);
        room->stage = 0;
        pyns_close_and_forget(&room->stage_pidfd);
        pyns_take_handles(spawn, &guard_pid);
    }
    end_children(spawn, guard_pid);
    close_all(spawn);
    spawn->pid = 0;
    if (room)
        pyns_leave_room(spawn);
    return 0;
}

/* When the record goes. */
int pyns_spawn_drop(struct pyns_spawn *spawn) {
    return spawn->adopted && !is_inherited(spawn) ? close_all(spawn)
                                                  : pyns_spawn_abandon(spawn);
}

/* What an init has said of how its program ended: a wait status. */
int pyns_read_status(int channel) {
    int status = 0;
    ssize_t length = recv(channel, &status, sizeof(status), MSG_DONTWAIT);
    return length == sizeof(status) ? status : length < 0 ? -errno : -ENODATA;
}

/* End and reap a guard; it would end by itself now, but nobody should wait for that. */
int pyns_end_guard(struct pyns_spawn *spawn) {
    if (!is_inherited(spawn))
        kill_and_reap(spawn->guard_pidfd, 0);
    pyns_close_and_forget(&spawn->guard_pidfd);
    return 0;
}

/* Calls that the filter would have answered fail from now on, by ENOSYS. */
int pyns_end_listening(struct pyns_spawn *spawn) {
    pyns_close_and_forget(&spawn->listener);
    return 0;
}

/* Read what a child says. A handle that comes along, on a process that it has moved on
 * as, is on record before Python can handle a signal. */
int pyns_spawn_listen(struct pyns_spawn *spawn, int channel, char *text, int size) {
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {.iov_base = text, .iov_len = (size_t)size};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t length = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0)
        return -errno;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS) {
        pyns_close_and_forget(&spawn->program_pidfd);
        memcpy(&spawn->program_pidfd, CMSG_DATA(head), sizeof(int));
    }
    return (int)length;
}
