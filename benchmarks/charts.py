"""What is plotted: for each module with curves, how, and what the page says of it."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Scale: TypeAlias = Literal["linear", "log"]


@dataclass(frozen=True)
class Chart:
    """A plot. Without *sizes* it has a bar, or on a log scale a dot, for each line."""

    title: str
    text: str
    scale: Scale = "linear"
    sizes: str = ""
    """What the sizes are, for a plot of lines."""

    size_scale: Scale = "linear"
    size_unit: int = 1


# In the order of the page; the key is the module, and the name of the plot's file.
CHARTS: Final[dict[str, Chart]] = {
    "entering": Chart(
        "Into a network namespace and back",
        "Each way in an interpreter of its own, on one CPU, all in turn; the median of "
        "101 batches is a round. What has a path or a pid opens the namespace each "
        "time; the others have it open, as a program in a loop would.",
    ),
    "starting": Chart(
        "Starting a program in a fresh namespace",
        "A process that has written to so much memory starts `true` in a uts "
        "namespace of its own and waits for it, each way in turn, on one CPU; the last "
        "way starts it in none. For `preexec_fn`, which calls `unshare(2)`, Python "
        "forks, and the kernel copies the page tables.",
        "log",
        "memory touched, GiB",
        size_unit=1 << 30,
    ),
    "scanning": Chart(
        "Finding all namespaces",
        "Among so many processes, each in two namespaces of its own, all ways in turn. "
        "The loop reads the links of each process and nothing more; `scan()` also "
        "finds owners, parents, and namespaces without a process.",
        "log",
        "processes",
        "log",
    ),
    "tracing": Chart(
        "A setns(2) that is watched",
        "A program in C enters 5,000 times the namespace where it is, and takes the "
        "time itself, under each watcher in turn. `strace` writes to `/dev/null`; with "
        "`trace()`, Python reads each event.",
        "log",
    ),
    "sockets": Chart(
        "A socket of another network namespace",
        "A TCP socket made and closed, each way in turn in one process. pyroute2 "
        "starts a process for it.",
        "log",
    ),
    "calling": Chart(
        "A function called in a network namespace",
        "The function returns 0; ours and the same by hand in turn, in a process of "
        "its own for each pair. The last pair has another thread running, so no fork.",
        "log",
    ),
    "importing": Chart(
        "What an import adds to the start of an interpreter",
        "Interpreters that find all compiled, each module in turn, on one CPU, less "
        "an interpreter of the same round that imports nothing. What a module imports "
        "is part of it.",
    ),
}
