/* The file that the init and the guard are executed from: resident.c is in this module.
 */
#include "birth.h"

#include <sys/mman.h>

/* Open the file of the init and the guard, if it is still the one of these numbers, and
 * may be executed. -ESTALE: it is another. */
int pyns_spawn_open(struct pyns_spawn *spawn, const char *path, uint64_t dev,
                    uint64_t ino) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    spawn->resident = fd;
    if (fd < 0 || fstat(fd, &facts) < 0)
        return -errno;
    if (facts.st_dev != dev || facts.st_ino != ino)
        return -ESTALE;
    return PYNS_RESULT(faccessat(AT_FDCWD, path, X_OK, AT_EACCESS));
}

/* A copy of it in memory, in its place. */
int pyns_spawn_copy(struct pyns_spawn *spawn, const char *content, int size) {
    pyns_close_and_forget(&spawn->resident);
    spawn->resident = (int)syscall(SYS_memfd_create, "pynamespaces", MFD_CLOEXEC);
    if (spawn->resident < 0)
        return -errno;
    while (size > 0) {
        ssize_t written = write(spawn->resident, content, (size_t)size);
        if (written < 0)
            return -errno;
        content += written;
        size -= (int)written;
    }
    return 0;
}
