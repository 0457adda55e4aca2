/* Setting up fresh namespaces: what a helper task does in them, and a program's child.
 */
#include "task.h"

/* The kernel takes such a file whole, by one write, or not at all. */
static int write_whole(int fd, const char *text) {
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    return written < 0 ? -errno : (size_t)written == length ? 0 : -EIO;
}

static int open_own(const char *name) {
    int folder = pyns_open_own_proc();
    if (folder < 0)
        return folder;
    int fd = pyns_open_in_proc(folder, name, O_WRONLY);
    pyns_close(folder);
    return fd;
}

static int write_own(struct trace *trace, int folder, int step, const char *name,
                     const char *text) {
    pyns_at(trace, step, CLONE_NEWUSER);
    if (!*text)
        return 0;
    int fd = folder < 0 ? open_own(name) : pyns_open_in_proc(folder, name, O_WRONLY);
    if (fd < 0)
        return fd;
    int result = write_whole(fd, text);
    pyns_close(fd);
    return result;
}

/* `folder`: its own in /proc, where it has been opened already, or -1. */
int pyns_task_write_maps(struct trace *trace, const struct pyns_setup *what,
                         int folder) {
    int result = 0;
    /* Without power outside, a group map may be written only after this. */
    if (what->gid_map[0])
        result = write_own(trace, folder, PYNS_STEP_SETGROUPS, "setgroups", "deny");
    if (result == 0)
        result = write_own(trace, folder, PYNS_STEP_UID_MAP, "uid_map", what->uid_map);
    if (result == 0)
        result = write_own(trace, folder, PYNS_STEP_GID_MAP, "gid_map", what->gid_map);
    return result;
}

/* Open where the clock offsets are written to, before the task is where it may not:
 * what nobody may look into has files that are root's. -ENODATA: there are none. */
int pyns_task_open_offsets(struct trace *trace, const struct pyns_setup *what) {
    if (!what->time_offsets[0])
        return -ENODATA;
    pyns_at(trace, PYNS_STEP_TIME_OFFSETS, CLONE_NEWTIME);
    return open_own("timens_offsets");
}

/* Stop mounts from spreading, in the whole tree, although the root may be one that
 * chroot has given: entering one's own mount namespace leads to its top. From there
 * back to where it was. */
static int make_private_and_return(int own, int root, int cwd) {
    /* Without CAP_SYS_CHROOT it is refused; then there is no chroot either. */
    int moved = PYNS_RESULT(setns(own, CLONE_NEWNS));
    int result = moved < 0 && moved != -EPERM ? moved : pyns_make_root_private();
    if (moved == 0 && (fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0))
        result = result < 0 ? result : -errno;
    return result;
}

static int make_tree_private(void) {
    const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    int own = pyns_task_own_namespace(CLONE_NEWNS);
    int root = own < 0 ? own : PYNS_RESULT(open("/.", flags));
    int cwd = root < 0 ? root : PYNS_RESULT(open(".", flags));
    int result = cwd < 0 ? cwd : make_private_and_return(own, root, cwd);
    pyns_close(own);
    pyns_close(root);
    pyns_close(cwd);
    return result;
}

/* Of the types that `flags` has. `offsets`: as opened, or negative. */
int pyns_task_set_up(struct trace *trace, unsigned int flags,
                     const struct pyns_setup *what, int offsets) {
    int result = 0;
    if (flags & CLONE_NEWNS) {
        pyns_at(trace, PYNS_STEP_PROPAGATION, CLONE_NEWNS);
        result = make_tree_private();
    }
    if (result == 0 && offsets >= 0) {
        pyns_at(trace, PYNS_STEP_TIME_OFFSETS, CLONE_NEWTIME);
        result = write_whole(offsets, what->time_offsets);
    }
    if (result == 0 && what->hostname_length >= 0) {
        pyns_at(trace, PYNS_STEP_NAME, CLONE_NEWUTS);
        result =
            PYNS_RESULT(sethostname(what->hostname, (size_t)what->hostname_length));
    }
    if (result == 0 && what->loopback) {
        pyns_at(trace, PYNS_STEP_LOOPBACK, CLONE_NEWNET);
        result = pyns_loopback_up();
    }
    return result;
}
