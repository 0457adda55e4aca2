/* Mounts: binding namespace files, and listing what a mount namespace has. */
#include "compat.h"

#include <sys/mount.h>

#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#endif
#ifndef SYS_fsopen
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_statmount
#define SYS_statmount 457
#define SYS_listmount 458
#endif

/* Bind the file open at fd over the one open at target, both by descriptor, so that
 * nobody can put another in their place. In the calling thread's mount namespace. */
int pyns_attach(int fd, int target) {
    unsigned int clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    int tree = PYNS_RESULT(syscall(SYS_open_tree, fd, "", clone));
    if (tree < 0)
        return tree;
    int result =
        PYNS_RESULT(syscall(SYS_move_mount, tree, "", target, "",
                            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
    pyns_close(tree);
    return result;
}

/* Open the file on which something is mounted, by way of a copy of the mount that the
 * file is in: there, nothing is mounted on it. */
int pyns_open_covered(int directory, const char *name) {
    unsigned int clone = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    int tree = PYNS_RESULT(syscall(SYS_open_tree, directory, "", clone));
    if (tree < 0)
        return tree;
    int flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC;
    int result = PYNS_RESULT(openat(tree, name, flags));
    pyns_close(tree);
    return result;
}

int pyns_detach(const char *path) {
    return PYNS_RESULT(umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW));
}

int pyns_bind(const char *source, const char *target) {
    return PYNS_RESULT(mount(source, target, NULL, MS_BIND | MS_REC, NULL));
}

/* tracefs, to be read by way of its root and seen by nobody else: it is mounted nowhere.
 * place: as of pyns_perf_event_open. The numbers are those of linux/mount.h, which does
 * not go together with the C library's header everywhere. */
int pyns_open_tracefs(int *place) {
    const unsigned int cloexec = 1, create = 6;
    const unsigned int readonly = 1, nosuid = 2, nodev = 4, noexec = 8;
    int context = PYNS_RESULT(syscall(SYS_fsopen, "tracefs", cloexec));
    if (context < 0)
        return context;
    int result = PYNS_RESULT(syscall(SYS_fsconfig, context, create, NULL, NULL, 0));
    if (result == 0)
        result = *place = PYNS_RESULT(syscall(SYS_fsmount, context, cloexec,
                                              readonly | nosuid | nodev | noexec));
    pyns_close(context);
    return result;
}

/* MS_SHARED, MS_PRIVATE ..., for the whole tree from a mount point on. */
int pyns_make_shared(const char *path) {
    return PYNS_RESULT(mount(NULL, path, NULL, MS_SHARED | MS_REC, NULL));
}

/* struct mnt_id_req of linux/mount.h, with the namespace's id (Linux 6.11). */
struct mount_request {
    uint32_t size, spare;
    uint64_t mnt_id, param, mnt_ns_id;
};

/* The next ids after `last`, of a whole mount namespace; returns how many. */
int pyns_listmount(uint64_t mnt_ns_id, uint64_t last, uint64_t *ids, int count) {
    struct mount_request request = {.size = sizeof(request),
                                    .mnt_id = UINT64_MAX, /* LSMT_ROOT */
                                    .param = last,
                                    .mnt_ns_id = mnt_ns_id};
    return PYNS_RESULT(syscall(SYS_listmount, &request, ids, (size_t)count, 0U));
}

/* One mount, as struct statmount. -EOVERFLOW: the buffer is too small. */
int pyns_statmount(uint64_t mnt_ns_id, uint64_t id, uint64_t mask, char *buffer,
                   int size) {
    struct mount_request request = {.size = sizeof(request),
                                    .mnt_id = id,
                                    .param = mask,
                                    .mnt_ns_id = mnt_ns_id};
    return PYNS_RESULT(syscall(SYS_statmount, &request, buffer, (size_t)size, 0U));
}
