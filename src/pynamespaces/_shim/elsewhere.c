/* Acting in a namespace without moving a thread: each by one helper task. */
#include "task.h"

#include <sys/socket.h>
#include <sys/utsname.h>

#define RUN(work, errand) pyns_run_task(work, &(errand).trace, sizeof(errand))
#define RUN_GIVING(work, errand, fd) \
    pyns_run_task_giving(work, &(errand).trace, sizeof(errand), fd)

/* --- sockets --- */

struct socket_errand {
    struct trace trace;
    int netns, family, type, protocol;
};

static int make_socket(struct trace *trace) {
    struct socket_errand *errand = (struct socket_errand *)trace;
    int result = pyns_task_enter(trace, errand->netns, CLONE_NEWNET);
    if (result < 0)
        return result;
    pyns_at(trace, PYNS_STEP_SOCKET, CLONE_NEWNET);
    return pyns_give(trace, PYNS_RESULT(socket(errand->family,
                                               errand->type | SOCK_CLOEXEC,
                                               errand->protocol)));
}

int pyns_socket_in(int netns, int family, int type, int protocol, int *fd) {
    struct socket_errand errand = {
        .netns = netns, .family = family, .type = type, .protocol = protocol};
    pyns_use(&errand.trace, netns);
    return RUN_GIVING(make_socket, errand, fd);
}

/* --- files --- */

struct open_errand {
    struct trace trace;
    int mntns;
    const char *path;
    struct open_how how;
};

/* Entering has made the root of the namespace the task's root and working directory.
 * Links in /proc would still lead out of it, or to the caller's descriptors. */
static int open_file(struct trace *trace) {
    struct open_errand *errand = (struct open_errand *)trace;
    int result = pyns_task_enter(trace, errand->mntns, CLONE_NEWNS);
    if (result < 0)
        return result;
    pyns_at(trace, PYNS_STEP_OPEN, CLONE_NEWNS);
    int fd;
    /* With ".." in the path, any rename on the machine may make it start again. */
    for (int tries = 0; tries < 200; tries++) {
        fd = PYNS_RESULT(syscall(SYS_openat2, AT_FDCWD, errand->path, &errand->how,
                                 sizeof(errand->how)));
        if (fd != -EAGAIN)
            break;
    }
    return pyns_give(trace, fd);
}

/* What blocks would block the task, so it must not wait for the other end of a FIFO or
 * the like: O_NONBLOCK, taken back afterwards. */
int pyns_open_in(int mntns, const char *path, int flags, unsigned int mode, int *fd) {
    int strictly = flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY;
    struct open_errand errand = {
        .mntns = mntns,
        .path = path,
        .how = {.flags = (unsigned int)(flags | strictly | O_CLOEXEC),
                .mode = mode,
                .resolve = RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT}};
    pyns_use(&errand.trace, mntns);
    int result = RUN_GIVING(open_file, errand, fd);
    if (result < 0 || !strictly || flags & O_NONBLOCK)
        return result;
    int status = fcntl(*fd, F_GETFL);
    if (status >= 0 && fcntl(*fd, F_SETFL, status & ~O_NONBLOCK) >= 0)
        return 0;
    result = -errno;
    close(*fd);
    *fd = -1;
    return result;
}

/* --- what /proc tells of a process, when the task is that process --- */

/* Enter, and open a file of the task in the /proc where it came from. */
static int open_own_file(struct trace *trace, int fd, int nstype, const char *name) {
    pyns_at(trace, PYNS_STEP_PROC, nstype);
    int folder = pyns_open_own_proc();
    if (folder < 0)
        return folder;
    int result = pyns_task_enter(trace, fd, nstype);
    if (result == 0) {
        pyns_at(trace, PYNS_STEP_PROC, nstype);
        result = pyns_open_in_proc(folder, name, O_RDONLY);
    }
    pyns_close(folder);
    return result;
}

struct mounts_errand {
    struct trace trace;
    int mntns;
};

static int open_mountinfo(struct trace *trace) {
    struct mounts_errand *errand = (struct mounts_errand *)trace;
    return pyns_give(
        trace, open_own_file(trace, errand->mntns, CLONE_NEWNS, "mountinfo"));
}

/* Open a mountinfo that lists a namespace's mounts, and goes on to when read later. */
int pyns_mountinfo_in(int mntns, int *fd) {
    struct mounts_errand errand = {.mntns = mntns};
    pyns_use(&errand.trace, mntns);
    return RUN_GIVING(open_mountinfo, errand, fd);
}

struct offsets_errand {
    struct trace trace;
    int timens;
    int length;
    char text[128];
};

static int read_offsets(struct trace *trace) {
    struct offsets_errand *errand = (struct offsets_errand *)trace;
    int fd = open_own_file(trace, errand->timens, CLONE_NEWTIME, "timens_offsets");
    if (fd < 0)
        return fd;
    /* It speaks of the task, so it is read while there is one. */
    int result = PYNS_RESULT(read(fd, errand->text, sizeof(errand->text)));
    pyns_close(fd);
    errand->length = result;
    return result < 0 ? result : 0;
}

/* Read timens_offsets; returns its length. Takes longer in a large process. */
int pyns_offsets_in(int timens, char *text, int size) {
    struct offsets_errand errand = {.trace = {.style = TASK_APART}, .timens = timens};
    pyns_use(&errand.trace, timens);
    int result = RUN(read_offsets, errand);
    if (result < 0)
        return result;
    if (errand.length > size)
        return -EOVERFLOW;
    memcpy(text, errand.text, (size_t)errand.length);
    return errand.length;
}

/* --- host and domain names --- */

struct names_errand {
    struct trace trace;
    int utsns;
    int is_domain;
    int length;
    struct pyns_names names;
};

static int read_names(struct trace *trace) {
    struct names_errand *errand = (struct names_errand *)trace;
    struct utsname facts;
    int result = pyns_task_enter(trace, errand->utsns, CLONE_NEWUTS);
    if (result < 0)
        return result;
    pyns_at(trace, PYNS_STEP_NAME, CLONE_NEWUTS);
    if (uname(&facts) < 0)
        return -errno;
    memcpy(errand->names.host, facts.nodename, sizeof(errand->names.host));
    memcpy(errand->names.domain, facts.domainname, sizeof(errand->names.domain));
    return 0;
}

int pyns_names_in(int utsns, struct pyns_names *names) {
    struct names_errand errand = {.utsns = utsns};
    pyns_use(&errand.trace, utsns);
    int result = RUN(read_names, errand);
    *names = errand.names;
    return result;
}

static int write_name(struct trace *trace) {
    struct names_errand *errand = (struct names_errand *)trace;
    size_t length = (size_t)errand->length;
    int result = pyns_task_enter(trace, errand->utsns, CLONE_NEWUTS);
    if (result < 0)
        return result;
    pyns_at(trace, PYNS_STEP_NAME, CLONE_NEWUTS);
    if (errand->is_domain)
        return PYNS_RESULT(setdomainname(errand->names.domain, length));
    return PYNS_RESULT(sethostname(errand->names.host, length));
}

int pyns_set_name_in(int utsns, int is_domain, const char *name, int length) {
    struct names_errand errand = {
        .utsns = utsns, .is_domain = is_domain, .length = length};
    if (length < 0 || (size_t)length > sizeof(errand.names.host))
        return -EINVAL;
    pyns_use(&errand.trace, utsns);
    memcpy(is_domain ? errand.names.domain : errand.names.host, name, (size_t)length);
    return RUN(write_name, errand);
}
