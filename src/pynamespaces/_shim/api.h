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
    PYNS_EINIT = 4103,   /* a helper task would be the init of a pid namespace */
};

/* Which system call the last enter, leave or unshare of this thread ended in, or that
 * of a helper task that it ran. */
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
    /* by helper tasks only */
    PYNS_STEP_CLONE,
    PYNS_STEP_SOCKET,
    PYNS_STEP_OPEN,
    PYNS_STEP_PROC,   /* a file of the task's in /proc */
    PYNS_STEP_NAME,   /* host or domain name */
    PYNS_STEP_SETGROUPS,
    PYNS_STEP_UID_MAP,
    PYNS_STEP_GID_MAP,
    PYNS_STEP_PROPAGATION,
    PYNS_STEP_TIME_OFFSETS,
    PYNS_STEP_LOOPBACK,
    /* by programs that are started only */
    PYNS_STEP_CGROUP,
    PYNS_STEP_MOUNT_PROC,
    PYNS_STEP_INIT,
    PYNS_STEP_GUARD,
    PYNS_STEP_GROUPS,
    PYNS_STEP_GID,
    PYNS_STEP_UID,
    PYNS_STEP_CAPS,
    PYNS_STEP_NO_NEW_PRIVS,
    PYNS_STEP_CHDIR,
    PYNS_STEP_SESSION,
    PYNS_STEP_STDIO,
    PYNS_STEP_EXECVE,
    PYNS_STEP_FILTER,
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

/* The names of a uts namespace, each ended by a null byte if there is room. */
struct pyns_names {
    char host[65];
    char domain[65];
};

/* How fresh namespaces are set up. An empty text is not written. */
struct pyns_setup {
    int loopback;
    int hostname_length;  /* -1: none */
    char hostname[65];
    char uid_map[64];     /* one line, which the namespace's own root may write */
    char gid_map[64];
    char time_offsets[128];
};

/* Fresh namespaces, for the caller to hold. */
struct pyns_creation {
    unsigned int flags;
    int owner;            /* the user namespace to make them in, or -1 */
    struct pyns_setup setup;
    int count;
    int nstypes[8];       /* what to open, each a CLONE_NEW* */
    int fds[8];           /* the result, in that order */
};

/* Capabilities of a program that is started. */
enum pyns_caps {
    PYNS_CAPS_RULES, /* what the kernel makes of them */
    PYNS_CAPS_KEEP,  /* all that the caller has there */
    PYNS_CAPS_ONLY,  /* those of a set, and no others ever */
};

/* A program to start: where, how, and what became of it. The texts are lists of strings
 * that each end with a null byte. */
struct pyns_spawn {
    /* where */
    int join_count;
    int join_fds[8];
    int join_types[8];
    unsigned int flags;   /* CLONE_NEW* */
    struct pyns_setup setup;
    int userns;           /* a fresh user namespace that has been made for it, or -1 */
    int timens;           /* the same of time, in that one */
    int cgroup;           /* or -1 */
    /* how it is started */
    int apart;            /* the child must not share memory with the caller */
    int mount_proc;
    int resident;         /* the file of the init and the guard, opened for it, or -1 */
    int init;             /* the same, if it is to have an init */
    int guard;            /* the same, if it is to have a guard */
    int at_home;          /* the caller's own pid namespace, if it is to be born there
                           * although the caller's children are not, or -1 */
    int adopted;          /* it is somebody's to reap */
    int be_root;          /* become 0:0, if that is mapped */
    /* what it is */
    const char *args;
    int arg_count;
    const char *env;
    int env_count;
    const char *files;    /* to be tried one after the other */
    int file_count;
    const char *cwd;
    int stdio[6];         /* as subprocess has them: p2c, c2p, err: read, write */
    int close_fds;
    const int *keep_fds;  /* sorted */
    int keep_count;
    int has_uid, has_gid;
    unsigned int uid, gid;
    const unsigned int *groups;
    int group_count;      /* -1: as they are */
    int umask;            /* -1: as it is */
    int restore_signals;
    int new_session;
    int process_group;    /* -1: as it is */
    int caps;             /* enum pyns_caps */
    uint64_t cap_set;
    int no_new_privs;
    const char *filter;   /* of seccomp(2), whose listener the caller gets, or NULL */
    int filter_length;    /* in instructions */
    /* what became of it */
    int owner;            /* the process that it belongs to */
    int pid;              /* the child to wait for: the program or its init */
    int pidfd;
    int program_pidfd;    /* with an init: the program's */
    int channel;          /* with an init: on which it says how that ended */
    int guard_pidfd;
    int listener;         /* of the filter */
    int step;             /* enum pyns_step, where it failed */
    int nstype;
    void *room;
};

/* A helper task that rests in a user namespace. */
struct pyns_inhabitant {
    int pid;
    int proc; /* its folder in /proc, opened by O_PATH */
    void *room;
};

/* What a census is to read of each process, beside its namespaces. */
enum pyns_want {
    PYNS_WANT_THREADS = 1,
    PYNS_WANT_DESCRIPTORS = 2,
    PYNS_WANT_SOCKETS = 4,
    PYNS_WANT_MOUNTS = 8,
    PYNS_WANT_ARGUMENTS = 16,
    PYNS_WANT_OWN_CGROUPS = 32, /* also where the mount namespace is the caller's */
};

/* The links of a process: the eight types in the order of their names, then pid and time
 * as its children will have them. */
enum pyns_link {
    PYNS_LINK_CGROUP,
    PYNS_LINK_IPC,
    PYNS_LINK_MNT,
    PYNS_LINK_NET,
    PYNS_LINK_PID,
    PYNS_LINK_TIME,
    PYNS_LINK_USER,
    PYNS_LINK_UTS,
    PYNS_LINK_PID_FOR_CHILDREN,
    PYNS_LINK_TIME_FOR_CHILDREN,
    PYNS_LINKS,
};

/* Rows of a census. Inode numbers are of nsfs, and 0 where not read. What is text is at
 * an offset in the text of its tally. */
struct pyns_process_row {
    uint64_t started; /* clock ticks since the boot */
    int32_t pid;
    int32_t ppid;
    uint32_t uid;
    uint32_t threads;
    uint32_t links[10];
    uint32_t name;
    uint32_t name_size;
    uint32_t arguments;
    uint32_t arguments_size;
    uint32_t cgroup;
    uint32_t cgroup_size;
    uint32_t pids; /* NSpid */
    uint32_t pids_size;
};

/* A thread that is elsewhere than the first of its process. */
struct pyns_thread_row {
    int32_t pid;
    int32_t tid;
    uint32_t links[10];
};

/* A descriptor of a namespace, or a socket in one. */
struct pyns_file_row {
    int32_t pid;
    int32_t fd;
    uint32_t ino;
    uint32_t is_socket;
};

struct pyns_namespace_row {
    uint64_t dev;
    uint64_t unique;        /* NS_GET_ID; 0 where the kernel has none */
    uint64_t owner_unique;
    uint64_t parent_unique;
    uint32_t ino;
    uint32_t nstype;        /* CLONE_NEW* */
    uint32_t owner;         /* of a user namespace: its parent */
    uint32_t parent;        /* of a pid namespace */
    uint32_t owner_uid;     /* of a user namespace */
    uint32_t is_held;       /* to the end of the census, so its number is no other's */
};

/* A line of a mountinfo that mounts a namespace; empty: the mountinfo has been read. */
struct pyns_mount_row {
    uint32_t mnt;
    uint32_t line;
    uint32_t line_size;
    int32_t pid;
};

/* What may not be read of a process. */
struct pyns_refusal_row {
    int32_t pid;
    int32_t error;
    uint32_t what; /* enum pyns_want; 0: its namespaces */
    uint32_t ino;  /* PYNS_WANT_MOUNTS: of which mount namespace */
};

/* A part of what a worker has found. */
struct pyns_tally {
    struct pyns_process_row *processes;
    struct pyns_thread_row *threads;
    struct pyns_file_row *files;
    struct pyns_namespace_row *namespaces;
    struct pyns_mount_row *mounts;
    struct pyns_refusal_row *refusals;
    uint32_t *doubts; /* inode numbers that may have passed to another namespace */
    char *text;
    uint32_t process_count, thread_count, file_count, namespace_count, mount_count,
        refusal_count, doubt_count, text_size;
};

/* Reading all of /proc, by threads of the shim's own. */
struct pyns_census {
    uint32_t links;  /* which: 1 << enum pyns_link */
    uint32_t want;   /* enum pyns_want */
    int most;        /* workers, at most */
    int total;       /* processes to read */
    int done;
    struct pyns_tally tally; /* what pyns_census_wait has given, until the next */
    void *state;
};

/* thread.c: the calling thread, its own namespaces, its stack of entries */
int pyns_own_namespace(int nstype, int for_children);
int pyns_is_current(int nstype, int for_children, uint64_t dev, uint64_t ino);
int pyns_enter(struct pyns_target *target);
int pyns_enter_all(uintptr_t owner, struct pyns_target **targets, int count,
                   int unshare_fs);
int pyns_unshare_scoped(uintptr_t owner, unsigned int flags);
int pyns_leave(uintptr_t owner);
int pyns_leave_target(struct pyns_target *target);
int pyns_leave_finally(void);
int pyns_undo(int depth);
int pyns_stay(uintptr_t owner);
int pyns_process(void);
int pyns_last_step(void);
int pyns_last_type(void);
int pyns_lost(void);
int pyns_depth(void);

/* syscalls.c */
int pyns_setns(int fd, int nstype);
int pyns_unshare(unsigned int flags);
int pyns_pidfd_open(int pid, unsigned int flags);
int pyns_pidfd_has_ended(int pidfd);
int pyns_pidfd_send_signal(int pidfd, int signal, unsigned int flags);
int pyns_pidfd_getfd(int pidfd, int targetfd, unsigned int flags);
int pyns_kcmp(int pid1, int pid2, int type);
int pyns_is_alone(void);
int pyns_prctl(int option, unsigned long value);
int pyns_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int pyns_is_gone(int tid, int glances);
int pyns_make_private(void);
int pyns_loopback_up(void);

/* nsfs.c: namespace files, their ioctls and their handles */
int pyns_open_namespace(const char *path);
int pyns_duplicate(int fd, int *duplicate);
int pyns_release(int *held);
int pyns_is_nsfs(int fd);
int pyns_is_procfs(int fd);
int pyns_identify(int fd, struct pyns_target *target);
int pyns_ioctl(int fd, unsigned int request, unsigned long argument);
int pyns_ioctl_u32(int fd, unsigned int request, uint32_t *result);
int pyns_ioctl_u64(int fd, unsigned int request, uint64_t *result);
int pyns_ns_mnt_ioctl(int fd, unsigned int request, struct pyns_mnt_info *result);
int pyns_name_to_handle(int fd, unsigned char *handle, int size);
int pyns_open_by_handle(const unsigned char *handle, int size);
int pyns_listns(int nstype, uint64_t last, uint64_t *ids, int count);

/* inhabit.c */
int pyns_inhabit(int userns, int fresh, struct pyns_inhabitant *inhabitant);
int pyns_dismiss(struct pyns_inhabitant *inhabitant);

/* procfs.c */
int pyns_open_own_proc(void);
int pyns_open_in_proc(int folder, const char *name, int flags);
int pyns_own_cgroups(unsigned char *text, int size);

/* elsewhere.c: acting in a namespace, by a helper task */
int pyns_socket_in(int netns, int family, int type, int protocol, int *fd);
int pyns_open_in(int mntns, const char *path, int flags, unsigned int mode, int *fd);
int pyns_mountinfo_in(int mntns, int *fd);
int pyns_offsets_in(int timens, char *text, int size);
int pyns_names_in(int utsns, struct pyns_names *names);
int pyns_set_name_in(int utsns, int is_domain, const char *name, int length);

/* create.c and join.c */
int pyns_create(struct pyns_creation *what);
int pyns_join(const int *fds, const int *nstypes, int count, int rehearse);

/* spawn.c: starting a program */
int pyns_spawn_clear(struct pyns_spawn *spawn);
int pyns_spawn(struct pyns_spawn *spawn);
int pyns_spawn_wait(struct pyns_spawn *spawn);
int pyns_spawn_abandon(struct pyns_spawn *spawn);
int pyns_read_status(int channel);
int pyns_end_guard(struct pyns_spawn *spawn);
int pyns_spawn_listen(struct pyns_spawn *spawn, int channel, char *text, int size);
int pyns_spawn_drop(struct pyns_spawn *spawn);
int pyns_end_listening(struct pyns_spawn *spawn);
int pyns_spawn_open(struct pyns_spawn *spawn, const char *path, uint64_t dev,
                    uint64_t ino);
int pyns_spawn_copy(struct pyns_spawn *spawn, const char *content, int size);

/* mounts.c: in the calling thread's mount namespace */
int pyns_attach(int fd, int target);
int pyns_open_covered(int directory, const char *name);
int pyns_open_tracefs(int *place);
int pyns_detach(const char *path);
int pyns_bind(const char *source, const char *target);
int pyns_make_shared(const char *path);
int pyns_listmount(uint64_t mnt_ns_id, uint64_t last, uint64_t *ids, int count);
int pyns_statmount(uint64_t mnt_ns_id, uint64_t id, uint64_t mask, char *buffer,
                   int size);

/* sockets.c */
int pyns_socketpair(int *first, int *second);
int pyns_send(int socket, const char *data, uint64_t offset, uint64_t size);
int pyns_netns_of_socket(int fd, int *netns);
int pyns_netns_cookie(int fd, uint64_t *cookie);

/* clone.c */
int pyns_clone3(uint64_t flags, int exit_signal, int cgroup, const int *set_tid,
                int set_tid_size, int *pidfd);

/* ring.c */
struct pyns_ring {
    void *base;
    uint64_t size;
    int owner; /* the process that has it mapped */
    int held;  /* how much was taken last; -1: that is somebody's by now */
};

int pyns_perf_event_open(const unsigned char *attr, int pid, int cpu, int *place);
int pyns_ring_map(struct pyns_ring *ring, int fd, uint64_t size);
int pyns_ring_unmap(struct pyns_ring *ring);
int pyns_ring_take(struct pyns_ring *ring, unsigned char *buffer, uint64_t room);
int pyns_fail_call(int which);

/* census.c */
int pyns_census_start(struct pyns_census *census);
int pyns_census_wait(struct pyns_census *census, int milliseconds);
int pyns_census_end(struct pyns_census *census);
