/* System calls as they are: one function each, no policy. */
#include "thread.h"

#include <net/if.h>
#include <sys/mount.h>
#include <sys/socket.h>

int pyns_setns(int fd, int nstype) {
    int result = PYNS_RESULT(setns(fd, nstype));
    if (result == 0 && (!nstype || nstype & CLONE_NEWNET))
        pyns_cool_down();
    return result;
}

int pyns_unshare(unsigned int flags) {
    int result = PYNS_RESULT(unshare((int)flags));
    if (result == 0 && flags & CLONE_NEWNET)
        pyns_cool_down();
    return result;
}

int pyns_pidfd_open(int pid, unsigned int flags) {
    return PYNS_RESULT(syscall(SYS_pidfd_open, pid, flags));
}

int pyns_pidfd_send_signal(int pidfd, int signal, unsigned int flags) {
    return PYNS_RESULT(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags));
}

int pyns_pidfd_getfd(int pidfd, int targetfd, unsigned int flags) {
    return PYNS_RESULT(syscall(SYS_pidfd_getfd, pidfd, targetfd, flags));
}

int pyns_kcmp(int pid1, int pid2, int type) {
    return PYNS_RESULT(syscall(SYS_kcmp, pid1, pid2, type, 0UL, 0UL));
}

/* Stop mounts made in this thread's mount namespace from reaching others. */
int pyns_make_private(void) {
    return PYNS_RESULT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* Bring "lo" up in this thread's network namespace. */
int pyns_loopback_up(void) {
    struct ifreq request = {.ifr_name = "lo"};
    /* AF_UNIX passes interface requests on, and exists where AF_INET was left out. */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int result = PYNS_RESULT(ioctl(fd, SIOCGIFFLAGS, &request));
    if (result >= 0) {
        request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
        result = PYNS_RESULT(ioctl(fd, SIOCSIFFLAGS, &request));
    }
    close(fd);
    return result;
}
