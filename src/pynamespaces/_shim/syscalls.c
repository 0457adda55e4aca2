/* System calls as they are: one function each, no policy. */
#include "task.h"

#if __has_include(<linux/capability.h>)
#include <linux/capability.h>
#endif
#include <net/if.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>

int pyns_setns(int fd, int nstype) {
    int result = PYNS_RESULT(setns(fd, nstype));
    if (result == 0)
        pyns_forget_homes(nstype);
    return result;
}

int pyns_unshare(unsigned int flags) {
    int result = PYNS_RESULT(unshare((int)flags));
    if (result == 0)
        pyns_forget_homes((int)flags);
    return result;
}

int pyns_pidfd_open(int pid, unsigned int flags) {
    return PYNS_RESULT(syscall(SYS_pidfd_open, pid, flags));
}

/* Whether its process has: a zombie still takes signals. */
int pyns_pidfd_has_ended(int pidfd) {
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    return PYNS_RESULT(poll(&end, 1, 0));
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

/* 1 when this process has one thread, 0 when it has more. This is what the kernel
 * itself asks before it changes a user namespace, and it needs no /proc. */
int pyns_is_alone(void) {
    if (unshare(CLONE_THREAD) == 0)
        return 1;
    return errno == EINVAL ? 0 : -errno;
}

int pyns_prctl(int option, unsigned long value) {
    return PYNS_RESULT(prctl(option, value, 0UL, 0UL, 0UL));
}

/* The calling thread's capabilities, each set as a mask. */
int pyns_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
         (uint32_t)(inheritable >> 32)}};
    return PYNS_RESULT(syscall(SYS_capset, &header, data));
}

/* Whether the kernel has forgotten a thread, after so many looks, between which others
 * may run. What the call asks for is of no interest: of a thread that is gone it says
 * ESRCH. */
int pyns_is_gone(int tid, int glances) {
    while (syscall(SYS_getpriority, PRIO_PROCESS, tid) >= 0) {
        if (--glances <= 0)
            return 0;
        sched_yield();
    }
    return 1;
}

int pyns_make_root_private(void) {
    return PYNS_RESULT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* From a root that is no mount point: go to the top of the mount namespace by entering
 * it again, and come back. `root`, `cwd` and `own` are open. */
static int make_private_from_above(int own, int root, int cwd) {
    if (setns(own, CLONE_NEWNS) < 0)
        return -errno;
    int result = pyns_make_root_private();
    if (fchdir(root) < 0 || chroot(".") < 0 || fchdir(cwd) < 0)
        return -errno;
    return result;
}

/* Stop mounts made in this thread's mount namespace from reaching others. */
int pyns_make_private(void) {
    const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    int result = pyns_make_root_private();
    if (result != -EINVAL)
        return result;
    int own = pyns_own_namespace(CLONE_NEWNS, 0);
    int root = open("/.", flags), cwd = open(".", flags);
    if (own >= 0 && root >= 0 && cwd >= 0)
        result = make_private_from_above(own, root, cwd);
    pyns_close(own);
    pyns_close(root);
    pyns_close(cwd);
    return result;
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
