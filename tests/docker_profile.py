"""
The seccomp profile that Docker gives to containers by default, as rules.

Written from what it publishes, the other way round: by what is *not* allowed, and which
capability of the container's allows it. Calls that are on no list are allowed; those
that are newer than the profile, runc answers by ENOSYS.
"""

import errno
import platform
from typing import Final

from filters import EQUAL, HAS, Newer, Rule, Where, number

# Each call by its number on x86-64 and that of the other machines; -1: has none.
_Calls = dict[str, tuple[int, int]]

_NEVER: Final[_Calls] = {
    "uselib": (134, -1), "ustat": (136, -1), "sysfs": (139, -1),
    "pivot_root": (155, 41), "_sysctl": (156, -1), "swapon": (167, 224),
    "swapoff": (168, 225), "create_module": (174, -1), "get_kernel_syms": (177, -1),
    "query_module": (178, -1), "nfsservctl": (180, 42), "getpmsg": (181, -1),
    "putpmsg": (182, -1), "afs_syscall": (183, -1), "tuxcall": (184, -1),
    "security": (185, -1), "vserver": (236, -1), "kexec_load": (246, 104),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "migrate_pages": (256, 238), "move_pages": (279, 239),
    "kexec_file_load": (320, 294), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}  # fmt: skip

_BY_CAPABILITY: Final[dict[frozenset[str], _Calls]] = {
    frozenset({"DAC_READ_SEARCH"}): {"open_by_handle_at": (304, 265)},
    frozenset({"SYS_ADMIN"}): {
        "mount": (165, 40), "umount2": (166, 39), "sethostname": (170, 161),
        "setdomainname": (171, 162), "quotactl": (179, 60),
        "lookup_dcookie": (212, 18), "unshare": (272, 97),
        "fanotify_init": (300, 262), "setns": (308, 268), "open_tree": (428, 428),
        "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
        "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
        "quotactl_fd": (443, 443), "lsm_get_self_attr": (459, 459),
        "lsm_set_self_attr": (460, 460), "lsm_list_modules": (461, 461),
    },
    frozenset({"SYS_ADMIN", "PERFMON"}): {"perf_event_open": (298, 241)},
    frozenset({"SYS_ADMIN", "BPF"}): {"bpf": (321, 280)},
    frozenset({"SYS_ADMIN", "SYSLOG"}): {"syslog": (103, 116)},
    frozenset({"SYS_BOOT"}): {"reboot": (169, 142)},
    frozenset({"SYS_CHROOT"}): {"chroot": (161, 51)},
    frozenset({"SYS_MODULE"}): {
        "init_module": (175, 105), "delete_module": (176, 106),
        "finit_module": (313, 273),
    },
    frozenset({"SYS_PACCT"}): {"acct": (163, 89)},
    frozenset({"SYS_PTRACE"}): {
        "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    },
    frozenset({"SYS_RAWIO"}): {"iopl": (172, -1), "ioperm": (173, -1)},
    frozenset({"SYS_TIME"}): {"settimeofday": (164, 170), "clock_settime": (227, 112)},
    frozenset({"SYS_TTY_CONFIG"}): {"vhangup": (153, 58)},
    frozenset({"SYS_NICE"}): {
        "mbind": (237, 235), "set_mempolicy": (238, 237), "get_mempolicy": (239, 236),
        "set_mempolicy_home_node": (450, 450),
    },
}  # fmt: skip

DEFAULT_CAPABILITIES: Final = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4, "KILL": 5, "SETGID": 6,
    "SETUID": 7, "SETPCAP": 8, "NET_BIND_SERVICE": 10, "NET_RAW": 13,
    "SYS_CHROOT": 18, "MKNOD": 27, "AUDIT_WRITE": 29, "SETFCAP": 31,
}  # fmt: skip
"""What a container has if nothing is said."""

_CLONE: Final = number(56, 220)
_CLONE3: Final = 435
_SOCKET: Final = number(41, 198)
_PERSONALITY: Final = number(135, 92)
_LAST: Final = 466

# All types of namespaces but time, which clone(2) cannot say, and mount ones.
_CLONE_NEW: Final = 0x7E020000
# Those of DECnet, Econet, ATM, infrared, IUCV, CAIF, the kernel's ciphers (38), virtual
# machines (40), and families that had not been thought of.
_NO_SOCKETS: Final = (12, 19, 20, 23, 25, 34, 37, 38, 40, *range(46, 64))
_PERSONALITIES: Final = (0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)


def _numbers(calls: _Calls) -> list[int]:
    found = [number(*pair) for pair in calls.values()]
    return [each for each in found if each >= 0]


def _refused(capabilities: frozenset[str]) -> list[int]:
    refused = _numbers(_NEVER)
    for needed, calls in _BY_CAPABILITY.items():
        if not needed & capabilities:
            refused += _numbers(calls)
    # What no call has on this machine is not on the profile's list either.
    holes = range(337, 424) if platform.machine() == "x86_64" else range(295, 424)
    return [*refused, *holes]


def rules(*more: str) -> list[Rule | Newer]:
    """Return the rules for a container that has these capabilities besides."""
    capabilities = frozenset({*DEFAULT_CAPABILITIES, *more})
    found: list[Rule | Newer] = [Newer(_LAST)]
    if "SYS_ADMIN" not in capabilities:
        found += [
            Rule([_CLONE3], errno.ENOSYS),
            Rule([_CLONE], errno.EPERM, (Where(0, HAS, (_CLONE_NEW,)),)),
        ]
    found += [
        Rule([_SOCKET], errno.EPERM, (Where(0, EQUAL, _NO_SOCKETS),)),
        Rule([_PERSONALITY], 0, (Where(0, EQUAL, _PERSONALITIES),)),
        Rule([_PERSONALITY], errno.EPERM),
        Rule(_refused(capabilities), errno.EPERM),
    ]
    return found
