/* What the shim does, without Python: for machines that are there as a compiler only.
 * Ends with 0, or says where it went wrong. `short`: leave out what qemu-user lacks. */
#include "compat.h"

#include <stdio.h>
#include <stdlib.h>

#define WANT(what)                                                                     \
    do {                                                                               \
        if (!(what)) {                                                                 \
            fprintf(stderr, "crossed.c:%d: not so: %s\n", __LINE__, #what);            \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

static void ask_of_processes(void) {
    int pidfd = pyns_pidfd_open(getpid(), 0);
    WANT(pidfd >= 0);
    WANT(pyns_pidfd_send_signal(pidfd, 0, 0) == 0);
    WANT(pyns_pidfd_has_ended(pidfd) == 0);
    WANT(pyns_pidfd_open(-1, 0) == -EINVAL);
    WANT(pyns_setns(-1, CLONE_NEWUTS) == -EBADF);
    int file = open("/", O_RDONLY | O_CLOEXEC);
    WANT(pyns_setns(file, CLONE_NEWUTS) == -EINVAL);
    close(file);
    close(pidfd);
}

static uint64_t number_of(int fd) {
    struct stat facts;
    WANT(fstat(fd, &facts) == 0);
    return facts.st_ino;
}

/* There and back, where that is allowed. */
static void enter_and_leave(void) {
    int home = pyns_own_namespace(CLONE_NEWUTS, 0);
    WANT(home >= 0 && pyns_is_nsfs(home) == 1);
    struct pyns_target target = {.fd = home};
    WANT(pyns_identify(home, &target) == 0 && target.ino == number_of(home));
    WANT(pyns_ioctl(home, NS_GET_NSTYPE, 0) == CLONE_NEWUTS);
    int result = pyns_unshare_scoped(1, CLONE_NEWUTS);
    if (result == -EPERM) {
        printf("not allowed to enter\n");
        return;
    }
    WANT(result >= 0 && pyns_depth() == 1);
    WANT(pyns_is_current(CLONE_NEWUTS, 0, target.dev, target.ino) == 0);
    WANT(pyns_leave(1) >= 0 && pyns_depth() == 0);
    WANT(pyns_is_current(CLONE_NEWUTS, 0, target.dev, target.ino) == 1);
    close(home);
}

int main(int count, char **words) {
    ask_of_processes();
    if (count == 1 || strcmp(words[1], "short") != 0)
        enter_and_leave();
    printf("%d bits: well\n", (int)(8 * sizeof(void *)));
    return 0;
}
