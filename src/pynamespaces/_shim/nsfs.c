/* Namespace files: opening them safely, their ioctls, their handles. */
#include "compat.h"

#include <sys/vfs.h>

/* 1 when fd is on nsfs, 0 when it is not. O_PATH descriptors are fine. */
int pyns_is_nsfs(int fd) {
    struct statfs facts;
    if (fstatfs(fd, &facts) < 0)
        return -errno;
    return (uint32_t)facts.f_type == NSFS_MAGIC;
}

/* 1 when fd is on procfs, 0 when it is not. */
int pyns_is_procfs(int fd) {
    struct statfs facts;
    if (fstatfs(fd, &facts) < 0)
        return -errno;
    return (uint32_t)facts.f_type == PROC_SUPER_MAGIC;
}

/* Open a namespace file. -ENOTTY when the path leads to anything else, which is
 * then not opened: opening a FIFO blocks, and opening a device can act on it. */
int pyns_open_namespace(const char *path) {
    struct statfs facts;
    if (statfs(path, &facts) < 0)
        return -errno;
    if ((uint32_t)facts.f_type != NSFS_MAGIC)
        return -ENOTTY;

    /* The path may have been replaced since, so the flags are harmless, and the
     * result is checked again. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int is_nsfs = pyns_is_nsfs(fd);
    if (is_nsfs <= 0) {
        close(fd);
        return is_nsfs < 0 ? is_nsfs : -ENOTTY;
    }
    return fd;
}

/* Into *duplicate, where it is found even if Python handles a signal first. Not in the
 * place of a standard stream that is closed: what is printed would come out there. */
int pyns_duplicate(int fd, int *duplicate) {
    *duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return *duplicate < 0 ? -errno : 0;
}

/* Close what was put there, if anything; in one call, so that no handler of Python's
 * comes between forgetting and closing. */
int pyns_release(int *held) {
    int fd = *held;
    *held = -1;
    return fd < 0 ? 0 : PYNS_RESULT(close(fd));
}

/* Fill in which namespace fd is. -ENOTTY: it is none. */
int pyns_identify(int fd, struct pyns_target *target) {
    struct stat facts;
    int nstype = PYNS_RESULT(ioctl(fd, NS_GET_NSTYPE));
    if (nstype < 0)
        return nstype;
    if (fstat(fd, &facts) < 0)
        return -errno;
    *target = (struct pyns_target){
        .fd = fd, .nstype = nstype, .dev = facts.st_dev, .ino = facts.st_ino};
    /* Before Linux 6.18 it stays 0. */
    (void)ioctl(fd, NS_GET_ID, &target->unique);
    return 0;
}

int pyns_ioctl(int fd, unsigned int request, unsigned long argument) {
    return PYNS_RESULT(ioctl(fd, request, argument));
}

int pyns_ioctl_u32(int fd, unsigned int request, uint32_t *result) {
    return PYNS_RESULT(ioctl(fd, request, result));
}

int pyns_ioctl_u64(int fd, unsigned int request, uint64_t *result) {
    return PYNS_RESULT(ioctl(fd, request, result));
}

/* NS_MNT_GET_INFO, NEXT and PREV; the latter two return a new descriptor. */
int pyns_ns_mnt_ioctl(int fd, unsigned int request, struct pyns_mnt_info *result) {
    struct mnt_ns_info info = {.size = sizeof(info)};
    int outcome = PYNS_RESULT(ioctl(fd, request, &info));
    result->nr_mounts = info.nr_mounts;
    result->mnt_ns_id = info.mnt_ns_id;
    return outcome;
}

/* The handle type of nsfs, the only one that these two functions speak of. */
#define PYNS_FILEID_NSFS 0xf1
#define PYNS_HANDLE_ROOM 64

union handle_buffer {
    struct file_handle handle;
    char room[sizeof(struct file_handle) + PYNS_HANDLE_ROOM];
};

/* Write the handle of a namespace file; return its length. */
int pyns_name_to_handle(int fd, unsigned char *handle, int size) {
    union handle_buffer buffer;
    int mount_id;
    memset(&buffer, 0, sizeof(buffer));
    buffer.handle.handle_bytes = PYNS_HANDLE_ROOM;
    if (name_to_handle_at(fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) < 0)
        return -errno;
    if (buffer.handle.handle_type != PYNS_FILEID_NSFS)
        return -ENOTTY;
    if (buffer.handle.handle_bytes > (unsigned int)size)
        return -EOVERFLOW;
    memcpy(handle, buffer.handle.f_handle, buffer.handle.handle_bytes);
    return (int)buffer.handle.handle_bytes;
}

/* Open the namespace that a handle names. */
int pyns_open_by_handle(const unsigned char *handle, int size) {
    union handle_buffer buffer;
    memset(&buffer, 0, sizeof(buffer));
    if (size < 0 || size > PYNS_HANDLE_ROOM)
        return -EINVAL;
    buffer.handle.handle_bytes = (unsigned int)size;
    buffer.handle.handle_type = PYNS_FILEID_NSFS;
    memcpy(buffer.handle.f_handle, handle, (size_t)size);
    return PYNS_RESULT(
        open_by_handle_at(FD_NSFS_ROOT, &buffer.handle, O_RDONLY | O_CLOEXEC));
}

#ifndef SYS_listns
#define SYS_listns 470
#endif

/* struct ns_id_req of linux/nsfs.h (Linux 6.19). */
struct listns_request {
    uint32_t size, spare;
    uint64_t ns_id;
    uint32_t ns_type, spare2;
    uint64_t user_ns_id;
};

/* The next ids after `last`, of one type or, for 0, of all; returns how many. */
int pyns_listns(int nstype, uint64_t last, uint64_t *ids, int count) {
    struct listns_request request = {
        .size = sizeof(request), .ns_id = last, .ns_type = (uint32_t)nstype};
    return PYNS_RESULT(syscall(SYS_listns, &request, ids, (size_t)count, 0U));
}
