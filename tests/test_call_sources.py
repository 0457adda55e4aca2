"""Calling a function elsewhere: tracebacks need no sources of the target's."""

import subprocess
import sys
from pathlib import Path

from starting import POWER, orphans_reaped

from pynamespaces import Popen, TypeLike

PLANT = """
mount -t tmpfs none {folder}
mkfifo {path}
"""

RAISE = """
import logging, os, sys, threading
from pynamespaces import Namespace, ThreadPoolExecutor, get_context

def fail():
    raise ValueError("boom")

def log():
    try:
        fail()
    except ValueError:
        logging.exception("as it happens")
    return "logged"

class Failing:
    def __del__(self):
        fail()

def drop():
    Failing()
    return "dropped"

def start():
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    return "started"

def main():
    mnt = Namespace.from_pid(int(sys.argv[1]), "mnt")
    print(mnt.call(log))
    print(mnt.call(drop), mnt.call(drop, how="process"), mnt.call(start))
    for how in ("thread", "process"):
        try:
            mnt.call(fail, how=how)
        except ValueError as error:
            print(error)
    with ThreadPoolExecutor(mnt, 1, initializer=fail) as pool:
        print(type(pool.submit(len, "a").exception(20)).__name__)
    end = threading.Event()
    threading.Thread(target=end.wait).start()
    try:
        mnt.call(fail, how="process")
    except ValueError as error:
        print(error)
    end.set()
    process = get_context(join=mnt).Process(target=fail)
    process.start()
    process.join(20)
    print(process.exitcode)

if __name__ == "__main__":
    main()
"""


@POWER
def test_sources_of_the_target(tmp_path: Path) -> None:
    """A traceback is made without reading what the target has in place of sources."""
    path = tmp_path / "raising.py"
    path.write_text(RAISE)
    script = PLANT.format(folder=tmp_path, path=path)
    new: tuple[TypeLike, ...] = ("mnt",)
    command = ["sh", "-ec", f"{script}\necho ready; exec cat"]
    pipe = subprocess.PIPE
    with orphans_reaped(), Popen(command, new=new, stdin=pipe, stdout=pipe) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            done = subprocess.run(
                [sys.executable, str(path), str(process.pid)],
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
        finally:
            process.kill()
    assert done.stdout.splitlines() == [
        *(
            "logged",
            "dropped dropped started",
            "boom",
            "boom",
            "BrokenThreadPool",
            "boom",
            "1",
        ),
    ], done.stderr
