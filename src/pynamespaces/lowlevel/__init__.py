"""
One function a system call, no policy.

Each takes and returns plain integers, lets the GIL go while it runs, and raises the
exception that `pynamespaces.errors` names for its errno. What is returned as a
descriptor is the caller's to close, and is not inherited by programs (close-on-exec).
"""

from ._calls import pidfd_getfd, pidfd_open, pidfd_send_signal, setns, unshare
from ._clone import clone3
from ._constants import *  # noqa: F403 - the CLONE_*, NS_GET_* and PIDFD_* numbers
from ._handles import name_to_handle_at, open_by_handle_at
from ._nsfs import (
    MountNamespaceInfo,
    ns_get_id,
    ns_get_mntns_id,
    ns_get_nstype,
    ns_get_owner_uid,
    ns_get_parent,
    ns_get_pid_from_pidns,
    ns_get_pid_in_pidns,
    ns_get_tgid_from_pidns,
    ns_get_tgid_in_pidns,
    ns_get_userns,
    ns_mnt_get_info,
    ns_mnt_get_next,
    ns_mnt_get_prev,
)
from ._pidfds import (
    pidfd_get_cgroup_namespace,
    pidfd_get_ipc_namespace,
    pidfd_get_mnt_namespace,
    pidfd_get_net_namespace,
    pidfd_get_pid_for_children_namespace,
    pidfd_get_pid_namespace,
    pidfd_get_time_for_children_namespace,
    pidfd_get_time_namespace,
    pidfd_get_user_namespace,
    pidfd_get_uts_namespace,
)
