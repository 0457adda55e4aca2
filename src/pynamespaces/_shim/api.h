/* What the shim offers. Read by cffi and included by every C file: one source of truth.
 *
 * Each function returns >= 0, or -errno, or (enter and leave only) one of the
 * negative PYNS_E numbers below, which lie above every errno. Nothing here keeps a
 * pointer of the caller after it returns, but for the owners on a thread's stack. */

/* Refusals of ours, not of the kernel. */
enum pyns_refusal {
    PYNS_ELOST = 4096,   /* an earlier way back failed on this thread */
    PYNS_EONEWAY = 4097, /* the thread could not come back */
    PYNS_EORDER = 4098,  /* the top of this thread's stack is not the owner's */
    PYNS_EPENDING = 4099, /* its children are due in a namespace not to be had again */
    PYNS_ECLOSED = 4100, /* the target's descriptor was closed */
    PYNS_ESEARCH = 4101, /* its root or working directory may not be searched */
    PYNS_ETHREADS = 4102, /* not yet, for threads that may be about to end */
};

/* Which system call the last enter, leave or unshare of this thread ended in. */
enum pyns_step {
    PYNS_STEP_NONE,
    PYNS_STEP_HOME,   /* opening the namespace where the thread is */
    PYNS_STEP_ROOT,   /* opening its root directory */
    PYNS_STEP_CWD,    /* opening its working directory */
    PYNS_STEP_SETNS,
    PYNS_STEP_UNSHARE,
    PYNS_STEP_FCHDIR,
    PYNS_STEP_CHROOT,
    PYNS_STEP_MEMORY,
};

/* A namespace that may be entered. Owned by the Python object that made it. */
struct pyns_target {
    int fd;
    int nstype;      /* one CLONE_NEW* */
    uint64_t dev;
    uint64_t ino;
    uint64_t unique; /* NS_GET_ID; 0 where the kernel has none */
    uint64_t owner;  /* NS_GET_ID of the owning user namespace; 0: not asked yet */
};

/* NS_MNT_GET_INFO */
struct pyns_mnt_info {
    uint32_t nr_mounts;
    uint64_t mnt_ns_id;
};

/* thread.c: the calling thread, its own namespaces, its stack of entries */
int pyns_own_namespace(int nstype, int for_children);
int pyns_enter(struct pyns_target *target);
int pyns_enter_all(uintptr_t owner, struct pyns_target **targets, int count,
                   int unshare_fs);
int pyns_unshare_scoped(uintptr_t owner, unsigned int flags);
int pyns_leave(uintptr_t owner);
int pyns_leave_target(struct pyns_target *target);
int pyns_leave_finally(void);
int pyns_undo(int depth);
int pyns_stay(uintptr_t owner);
int pyns_last_step(void);
int pyns_last_type(void);
int pyns_lost(void);
int pyns_depth(void);

/* syscalls.c */
int pyns_setns(int fd, int nstype);
int pyns_unshare(unsigned int flags);
int pyns_pidfd_open(int pid, unsigned int flags);
int pyns_pidfd_send_signal(int pidfd, int signal, unsigned int flags);
int pyns_pidfd_getfd(int pidfd, int targetfd, unsigned int flags);
int pyns_kcmp(int pid1, int pid2, int type);
int pyns_is_alone(void);
int pyns_make_private(void);
int pyns_loopback_up(void);

/* nsfs.c: namespace files, their ioctls and their handles */
int pyns_open_namespace(const char *path);
int pyns_is_nsfs(int fd);
int pyns_is_procfs(int fd);
int pyns_identify(int fd, struct pyns_target *target);
int pyns_ioctl(int fd, unsigned int request, unsigned long argument);
int pyns_ioctl_u32(int fd, unsigned int request, uint32_t *result);
int pyns_ioctl_u64(int fd, unsigned int request, uint64_t *result);
int pyns_ns_mnt_ioctl(int fd, unsigned int request, struct pyns_mnt_info *result);
int pyns_name_to_handle(int fd, unsigned char *handle, int size);
int pyns_open_by_handle(const unsigned char *handle, int size);

/* clone.c */
int pyns_clone3(uint64_t flags, int exit_signal, int cgroup, const int *set_tid,
                int set_tid_size, int *pidfd);
