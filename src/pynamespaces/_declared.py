"""
What the compiled shim has, for type checkers: nothing imports this at run time.

It stands here and not in a stub of the compiled module: a stub can name what the module
does not have. ``tests/test_lib.py`` compares this with what cffi built.
"""

from typing import NewType, Protocol

IntOut = NewType("IntOut", object)
"""A pointer to an int, a uint32_t or a uint64_t; ``[0]`` reads it."""

Buffer = NewType("Buffer", object)
Text = NewType("Text", object)
"""A ``char *``; whoever made it keeps it alive."""

TargetPointers = NewType("TargetPointers", object)


class Target(Protocol):
    """``struct pyns_target``: a namespace that may be entered."""

    fd: int
    nstype: int
    dev: int
    ino: int
    unique: int
    owner: int


class MntInfo(Protocol):
    """``struct pyns_mnt_info``."""

    nr_mounts: int
    mnt_ns_id: int


class Names(Protocol):
    """``struct pyns_names``."""

    host: object
    domain: object


class Setup(Protocol):
    """``struct pyns_setup``: how fresh namespaces are set up."""

    loopback: bool
    hostname_length: int
    hostname: bytes
    uid_map: bytes
    gid_map: bytes
    time_offsets: bytes


class Creation(Protocol):
    """``struct pyns_creation``: fresh namespaces, for the caller to hold."""

    flags: int
    owner: int
    setup: Setup
    count: int
    nstypes: list[int]
    fds: list[int]


class Inhabitant(Protocol):
    """``struct pyns_inhabitant``: a helper task that rests in a user namespace."""

    pid: int
    proc: int


class Spawn(Protocol):
    """``struct pyns_spawn``: a program to start, and what became of it."""

    join_count: int
    join_fds: list[int]
    join_types: list[int]
    flags: int
    setup: Setup
    userns: int
    timens: int
    cgroup: int
    apart: bool
    mount_proc: bool
    resident: int
    init: int
    guard: int
    at_home: int
    adopted: bool
    be_root: bool
    args: Text
    arg_count: int
    env: Text
    env_count: int
    files: Text
    file_count: int
    cwd: Text
    stdio: tuple[int, int, int, int, int, int]
    close_fds: bool
    keep_fds: IntOut
    keep_count: int
    has_uid: bool
    has_gid: bool
    uid: int
    gid: int
    groups: IntOut
    group_count: int
    umask: int
    restore_signals: bool
    new_session: bool
    process_group: int
    caps: int
    cap_set: int
    no_new_privs: bool
    filter: Text
    filter_length: int
    owner: int
    pid: int
    pidfd: int
    program_pidfd: int
    channel: int
    guard_pidfd: int
    listener: int
    step: int
    nstype: int


class Tally(Protocol):
    """``struct pyns_tally``: a part of what a worker of a census has found."""

    processes: object
    threads: object
    files: object
    namespaces: object
    mounts: object
    refusals: object
    doubts: object
    text: object
    process_count: int
    thread_count: int
    file_count: int
    namespace_count: int
    mount_count: int
    refusal_count: int
    doubt_count: int
    text_size: int


class Census(Protocol):
    """``struct pyns_census``: reading all of ``/proc``."""

    links: int
    want: int
    most: int
    total: int
    done: int
    tally: Tally


class Ring(Protocol):
    """``struct pyns_ring``: what the kernel writes of one CPU."""

    size: int
    owner: int
    held: int


class Lib(Protocol):
    """The functions of ``api.h``: >= 0, or -errno, or a negative refusal."""

    PYNS_ELOST: int
    PYNS_EONEWAY: int
    PYNS_EORDER: int
    PYNS_EPENDING: int
    PYNS_ECLOSED: int
    PYNS_ESEARCH: int
    PYNS_ETHREADS: int
    PYNS_EINIT: int
    PYNS_STEP_NONE: int
    PYNS_STEP_HOME: int
    PYNS_STEP_ROOT: int
    PYNS_STEP_CWD: int
    PYNS_STEP_SETNS: int
    PYNS_STEP_UNSHARE: int
    PYNS_STEP_FCHDIR: int
    PYNS_STEP_CHROOT: int
    PYNS_STEP_MEMORY: int
    PYNS_STEP_CLONE: int
    PYNS_STEP_SOCKET: int
    PYNS_STEP_OPEN: int
    PYNS_STEP_PROC: int
    PYNS_STEP_NAME: int
    PYNS_STEP_SETGROUPS: int
    PYNS_STEP_UID_MAP: int
    PYNS_STEP_GID_MAP: int
    PYNS_STEP_PROPAGATION: int
    PYNS_STEP_TIME_OFFSETS: int
    PYNS_STEP_LOOPBACK: int
    PYNS_STEP_CGROUP: int
    PYNS_STEP_MOUNT_PROC: int
    PYNS_STEP_INIT: int
    PYNS_STEP_GUARD: int
    PYNS_STEP_GROUPS: int
    PYNS_STEP_GID: int
    PYNS_STEP_UID: int
    PYNS_STEP_CAPS: int
    PYNS_STEP_NO_NEW_PRIVS: int
    PYNS_STEP_CHDIR: int
    PYNS_STEP_SESSION: int
    PYNS_STEP_STDIO: int
    PYNS_STEP_EXECVE: int
    PYNS_STEP_FILTER: int
    PYNS_WANT_THREADS: int
    PYNS_WANT_DESCRIPTORS: int
    PYNS_WANT_SOCKETS: int
    PYNS_WANT_MOUNTS: int
    PYNS_WANT_ARGUMENTS: int
    PYNS_WANT_OWN_CGROUPS: int
    PYNS_LINK_CGROUP: int
    PYNS_LINK_IPC: int
    PYNS_LINK_MNT: int
    PYNS_LINK_NET: int
    PYNS_LINK_PID: int
    PYNS_LINK_TIME: int
    PYNS_LINK_USER: int
    PYNS_LINK_UTS: int
    PYNS_LINK_PID_FOR_CHILDREN: int
    PYNS_LINK_TIME_FOR_CHILDREN: int
    PYNS_LINKS: int
    PYNS_CAPS_RULES: int
    PYNS_CAPS_KEEP: int
    PYNS_CAPS_ONLY: int

    CLONE_NEWTIME: int
    CLONE_VM: int
    CLONE_FS: int
    CLONE_FILES: int
    CLONE_SIGHAND: int
    CLONE_PIDFD: int
    CLONE_PTRACE: int
    CLONE_VFORK: int
    CLONE_PARENT: int
    CLONE_THREAD: int
    CLONE_NEWNS: int
    CLONE_SYSVSEM: int
    CLONE_SETTLS: int
    CLONE_PARENT_SETTID: int
    CLONE_CHILD_CLEARTID: int
    CLONE_DETACHED: int
    CLONE_UNTRACED: int
    CLONE_CHILD_SETTID: int
    CLONE_NEWCGROUP: int
    CLONE_NEWUTS: int
    CLONE_NEWIPC: int
    CLONE_NEWUSER: int
    CLONE_NEWPID: int
    CLONE_NEWNET: int
    CLONE_IO: int
    CLONE_CLEAR_SIGHAND: int
    CLONE_INTO_CGROUP: int

    PERF_EVENT_IOC_ENABLE: int
    PERF_EVENT_IOC_SET_OUTPUT: int
    PERF_EVENT_IOC_SET_FILTER: int
    PIDFD_NONBLOCK: int
    PIDFD_THREAD: int
    PIDFD_GET_CGROUP_NAMESPACE: int
    PIDFD_GET_IPC_NAMESPACE: int
    PIDFD_GET_MNT_NAMESPACE: int
    PIDFD_GET_NET_NAMESPACE: int
    PIDFD_GET_PID_NAMESPACE: int
    PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE: int
    PIDFD_GET_TIME_NAMESPACE: int
    PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE: int
    PIDFD_GET_USER_NAMESPACE: int
    PIDFD_GET_UTS_NAMESPACE: int

    NS_GET_USERNS: int
    NS_GET_PARENT: int
    NS_GET_NSTYPE: int
    NS_GET_OWNER_UID: int
    NS_GET_MNTNS_ID: int
    NS_GET_PID_FROM_PIDNS: int
    NS_GET_TGID_FROM_PIDNS: int
    NS_GET_PID_IN_PIDNS: int
    NS_GET_TGID_IN_PIDNS: int
    NS_MNT_GET_INFO: int
    NS_MNT_GET_NEXT: int
    NS_MNT_GET_PREV: int
    NS_GET_ID: int

    KCMP_FS: int
    SIGCHLD: int
    PR_SET_PDEATHSIG: int
    PR_SET_DUMPABLE: int
    PR_SET_CHILD_SUBREAPER: int

    def pyns_own_namespace(self, nstype: int, for_children: int, /) -> int: ...
    def pyns_is_current(
        self, nstype: int, for_children: int, dev: int, ino: int, /
    ) -> int: ...
    def pyns_enter(self, target: Target, /) -> int: ...
    def pyns_enter_all(
        self,
        owner: int,
        targets: TargetPointers,
        count: int,
        unshare_fs: int,
        /,
    ) -> int: ...
    def pyns_unshare_scoped(self, owner: int, flags: int, /) -> int: ...
    def pyns_leave(self, owner: int, /) -> int: ...
    def pyns_leave_target(self, target: Target, /) -> int: ...
    def pyns_leave_finally(self) -> int: ...
    def pyns_undo(self, depth: int, /) -> int: ...
    def pyns_stay(self, owner: int, /) -> int: ...
    def pyns_process(self) -> int: ...
    def pyns_last_step(self) -> int: ...
    def pyns_last_type(self) -> int: ...
    def pyns_lost(self) -> int: ...
    def pyns_depth(self) -> int: ...
    def pyns_setns(self, fd: int, nstype: int, /) -> int: ...
    def pyns_unshare(self, flags: int, /) -> int: ...
    def pyns_pidfd_open(self, pid: int, flags: int, /) -> int: ...
    def pyns_pidfd_has_ended(self, pidfd: int, /) -> int: ...
    def pyns_pidfd_send_signal(self, pidfd: int, signal: int, flags: int, /) -> int: ...
    def pyns_pidfd_getfd(self, pidfd: int, targetfd: int, flags: int, /) -> int: ...
    def pyns_kcmp(self, pid1: int, pid2: int, type: int, /) -> int: ...
    def pyns_is_alone(self) -> int: ...
    def pyns_capset(
        self, effective: int, permitted: int, inheritable: int, /
    ) -> int: ...
    def pyns_is_gone(self, tid: int, glances: int, /) -> int: ...
    def pyns_prctl(self, option: int, value: int, /) -> int: ...
    def pyns_make_private(self) -> int: ...
    def pyns_loopback_up(self) -> int: ...
    def pyns_open_namespace(self, path: bytes, /) -> int: ...
    def pyns_release(self, held: IntOut, /) -> int: ...
    def pyns_is_nsfs(self, fd: int, /) -> int: ...
    def pyns_is_procfs(self, fd: int, /) -> int: ...
    def pyns_identify(self, fd: int, target: Target, /) -> int: ...
    def pyns_ioctl(self, fd: int, request: int, argument: int, /) -> int: ...
    def pyns_ioctl_u32(self, fd: int, request: int, result: IntOut, /) -> int: ...
    def pyns_ioctl_u64(self, fd: int, request: int, result: IntOut, /) -> int: ...
    def pyns_ns_mnt_ioctl(self, fd: int, request: int, result: MntInfo, /) -> int: ...
    def pyns_name_to_handle(self, fd: int, handle: Buffer, size: int, /) -> int: ...
    def pyns_open_by_handle(self, handle: bytes, size: int, /) -> int: ...
    def pyns_listns(
        self, nstype: int, last: int, ids: IntOut, count: int, /
    ) -> int: ...
    def pyns_inhabit(
        self, userns: int, fresh: int, inhabitant: Inhabitant, /
    ) -> int: ...
    def pyns_dismiss(self, inhabitant: Inhabitant, /) -> int: ...
    def pyns_duplicate(self, fd: int, duplicate: IntOut, /) -> int: ...
    def pyns_open_own_proc(self) -> int: ...
    def pyns_open_in_proc(self, folder: int, name: bytes, flags: int, /) -> int: ...
    def pyns_socket_in(
        self, netns: int, family: int, type: int, protocol: int, fd: IntOut, /
    ) -> int: ...
    def pyns_open_in(
        self, mntns: int, path: bytes, flags: int, mode: int, fd: IntOut, /
    ) -> int: ...
    def pyns_mountinfo_in(self, mntns: int, fd: IntOut, /) -> int: ...
    def pyns_offsets_in(self, timens: int, text: Buffer, size: int, /) -> int: ...
    def pyns_names_in(self, utsns: int, names: Names, /) -> int: ...
    def pyns_set_name_in(
        self, utsns: int, is_domain: int, name: bytes, length: int, /
    ) -> int: ...
    def pyns_create(self, what: Creation, /) -> int: ...
    def pyns_spawn_clear(self, spawn: Spawn, /) -> int: ...
    def pyns_spawn(self, spawn: Spawn, /) -> int: ...
    def pyns_spawn_wait(self, spawn: Spawn, /) -> int: ...
    def pyns_spawn_abandon(self, spawn: Spawn, /) -> int: ...
    def pyns_read_status(self, channel: int, /) -> int: ...
    def pyns_end_guard(self, spawn: Spawn, /) -> int: ...
    def pyns_spawn_listen(
        self, spawn: Spawn, channel: int, text: Buffer, size: int, /
    ) -> int: ...
    def pyns_spawn_drop(self, spawn: Spawn, /) -> int: ...
    def pyns_end_listening(self, spawn: Spawn, /) -> int: ...
    def pyns_spawn_open(
        self, spawn: Spawn, path: bytes, dev: int, ino: int, /
    ) -> int: ...
    def pyns_spawn_copy(self, spawn: Spawn, content: bytes, size: int, /) -> int: ...
    def pyns_join(
        self, fds: IntOut, nstypes: IntOut, count: int, rehearse: int, /
    ) -> int: ...
    def pyns_attach(self, fd: int, target: int, /) -> int: ...
    def pyns_open_covered(self, directory: int, name: bytes, /) -> int: ...
    def pyns_open_tracefs(self, place: IntOut, /) -> int: ...
    def pyns_detach(self, path: bytes, /) -> int: ...
    def pyns_bind(self, source: bytes, target: bytes, /) -> int: ...
    def pyns_make_shared(self, path: bytes, /) -> int: ...
    def pyns_listmount(
        self, mnt_ns_id: int, last: int, ids: IntOut, count: int, /
    ) -> int: ...
    def pyns_statmount(
        self, mnt_ns_id: int, id: int, mask: int, buffer: Buffer, size: int, /
    ) -> int: ...
    def pyns_send(self, socket: int, data: bytes, offset: int, size: int, /) -> int: ...
    def pyns_socketpair(self, first: IntOut, second: IntOut, /) -> int: ...
    def pyns_netns_of_socket(self, fd: int, netns: IntOut, /) -> int: ...
    def pyns_netns_cookie(self, fd: int, cookie: IntOut, /) -> int: ...
    def pyns_clone3(
        self,
        flags: int,
        exit_signal: int,
        cgroup: int,
        set_tid: IntOut,
        set_tid_size: int,
        pidfd: IntOut,
        /,
    ) -> int: ...
    def pyns_own_cgroups(self, text: Buffer, size: int, /) -> int: ...
    def pyns_census_start(self, census: Census, /) -> int: ...
    def pyns_census_wait(self, census: Census, milliseconds: int, /) -> int: ...
    def pyns_census_end(self, census: Census, /) -> int: ...
    def pyns_perf_event_open(
        self, attr: bytes, pid: int, cpu: int, place: IntOut, /
    ) -> int: ...
    def pyns_ring_map(self, ring: Ring, fd: int, size: int, /) -> int: ...
    def pyns_ring_unmap(self, ring: Ring, /) -> int: ...
    def pyns_ring_take(self, ring: Ring, buffer: Buffer, room: int, /) -> int: ...
    def pyns_fail_call(self, which: int, /) -> int: ...


class Ffi(Protocol):
    """cffi's own functions, those that are used."""

    def new(self, cdecl: object, init: object = None, /) -> object: ...
    def typeof(self, cdecl: str, /) -> object: ...
    def buffer(self, cdata: object, size: int = -1, /) -> bytes: ...
    def string(self, cdata: object, /) -> bytes: ...
    def gc(self, cdata: object, destructor: object, /) -> object: ...
