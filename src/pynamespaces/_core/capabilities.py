"""The names of capabilities: see :manpage:`capabilities(7)`."""

from typing import Final

_NAMES: Final = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid",
    "setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast",
    "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
    "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
    "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write",
    "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm",
    "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)  # fmt: skip
"""In the order of their numbers."""


def capability(name: str) -> int:
    """
    Return the number of a capability, ``"net_admin"`` or ``"CAP_NET_ADMIN"``.

    Raises:
        ValueError: There is none of that name.
    """
    if not isinstance(name, str):
        raise TypeError(f"a capability is named by a str, not {name!r}")
    short = name.lower().removeprefix("cap_")
    if short not in _NAMES:
        raise ValueError(f"{name!r} is no capability; there are {', '.join(_NAMES)}")
    return _NAMES.index(short)
