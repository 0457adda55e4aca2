"""A real browser without a window, told what to do through a pair of pipes."""

import base64
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

from support import program

Message: TypeAlias = Mapping[str, object]

PATIENCE: Final = 20.0
"""How long an answer may take on a busy machine, in seconds."""

_OPTIONS: Final = (
    "--headless=new",
    "--remote-debugging-pipe",
    # Who has no user namespaces to make, as in one without ids, has no sandbox either.
    "--no-sandbox",
    "--no-zygote",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

_KEYS: Final = {"Enter": ("\r", 13), "Escape": (None, 27), "/": ("/", 191)}
_ARROWS: Final = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    """Chromium. Its pages are its own, and forgotten when it ends."""

    def __init__(self, folder: Path) -> None:
        self._messages = 0
        self._buffer = b""
        self._page: Page | None = None
        self._folder = folder
        theirs_in, self._out = _pipe()
        self._in, theirs_out = _pipe()
        command = [program("chromium"), *_OPTIONS, f"--user-data-dir={folder}"]
        self._pid = os.posix_spawn(
            command[0],
            command,
            {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                (os.POSIX_SPAWN_DUP2, theirs_out, 4),
            ],
            setpgroup=0,
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> Self:
        # Once it has a page, it starts no more processes that are not its children.
        self._page = self._new_page()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._out)
        os.close(self._in)
        for pid in (crash_handlers := list(_started_with(self._folder))):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.killpg(self._pid, signal.SIGKILL)
        # Where this is the first process of a pid namespace, all of them become its.
        for which in (-self._pid, *crash_handlers):
            with suppress(ChildProcessError):
                while True:
                    os.waitpid(which, 0)

    @contextmanager
    def page(self, url: str, width: int = 1280, height: int = 800) -> Iterator["Page"]:
        """Open a page; in the end, fail if it complained or asked for another file."""
        # A new tab each time, with its process, would take most of a test's time.
        page = self._page
        assert page is not None
        page.resize(width, height)
        page.prefer()
        page.go(url)
        yield page
        page.check()

    def _new_page(self) -> "Page":
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self.call(
            "Target.attachToTarget", {"targetId": target, "flatten": True}
        )
        page = Page(self, str(attached["sessionId"]))
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        return page

    def call(
        self, method: str, parameters: Message | None = None, session: str | None = None
    ) -> Message:
        """Have it do something, and return what comes of it."""
        self._messages += 1
        message = {
            "id": self._messages,
            "method": method,
            "params": parameters or {},
            **({"sessionId": session} if session else {}),
        }
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self._messages:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return _object(answer["result"])

    def receive(self) -> Message:
        """Return the next answer or event; events are told to their page, too."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            data = _read(self._in, deadline)
            assert data, "the browser has ended"
            self._buffer += data
        data, _, self._buffer = self._buffer.partition(b"\0")
        message = _object(json.loads(data))
        if self._page is not None and "sessionId" in message and "method" in message:
            self._page.notice(str(message["method"]), _object(message["params"]))
        return message


class Page:
    """One page of the browser, as somebody sees and uses it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self.session = session
        self.asked: list[str] = []
        """The addresses that were asked for."""
        self.complaints: list[str] = []
        """Errors and warnings of the page."""

    def call(self, method: str, **parameters: object) -> Message:
        """Have the page do something."""
        return self._browser.call(method, parameters, self.session)

    def notice(self, method: str, event: Message) -> None:
        """Take note of what has happened."""
        if method == "Network.requestWillBeSent":
            self.asked.append(str(_object(event["request"])["url"]))
        elif method in ("Runtime.exceptionThrown", "Log.entryAdded") or (
            method == "Runtime.consoleAPICalled"
            and event["type"] in ("error", "warning", "assert")
        ):
            self.complaints.append(json.dumps(event))

    def check(self) -> None:
        """Fail if the page complained, or asked for anything but itself."""
        # What is still on its way comes before the answer.
        urls = {url.partition("#")[0] for url in self.asked}
        assert self.evaluate("window.pwned === undefined")
        assert not self.complaints
        assert len(urls) == 1, urls

    def go(self, url: str) -> None:
        """Go to an address, and wait until the page is there."""
        # To go from one place in a page to another would not load it anew.
        self.call("Page.navigate", url="about:blank")
        self.wait("location.protocol === 'about:'")
        self.asked.clear()
        self.complaints.clear()
        failure = self.call("Page.navigate", url=url).get("errorText")
        assert not failure, failure
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def evaluate(self, expression: str) -> object:
        """Return what an expression is worth in the page."""
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        assert "exceptionDetails" not in answer, answer
        return _object(answer["result"]).get("value")

    def wait(self, condition: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE
        frame = "new Promise(done => requestAnimationFrame(() => done()))"
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"in vain: {condition}"
            self.evaluate(frame)

    def texts(self, selector: str) -> list[str]:
        """Return the text of each element that can be seen, with single spaces."""
        found = self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".filter(one => one.checkVisibility())"
            r".map(one => one.innerText.replace(/\s+/g, ' ').trim())"
        )
        assert isinstance(found, list)
        return found

    def click(self, selector: str, text: str = "") -> None:
        """Click in the middle of the first element that contains a text."""
        found = self.evaluate(
            f"""(() => {{
                const one = [...document.querySelectorAll({json.dumps(selector)})]
                    .find(one => one.textContent.includes({json.dumps(text)}));
                one.scrollIntoView({{block: "nearest"}});
                const {{x, y, width, height}} = one.getClientRects()[0];
                return [x + width / 2, y + height / 2];
            }})()"""
        )
        assert isinstance(found, list)
        at = {"x": found[0], "y": found[1], "button": "left", "clickCount": 1}
        for type in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=type, **at)

    def press(self, key: str) -> None:
        """Press a key, and let go of it."""
        text, code = _KEYS.get(key) or (None, _ARROWS.get(key, 0))
        told: dict[str, object] = {"key": key, "windowsVirtualKeyCode": code}
        down = {**told, "text": text} if text else told
        self.call("Input.dispatchKeyEvent", type="keyDown", **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **told)

    def type(self, text: str) -> None:
        """Type text into what has the focus."""
        self.call("Input.insertText", text=text)

    def resize(self, width: int, height: int = 800) -> None:
        """Give the page another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str = "light", media: str = "screen") -> None:
        """Set what somebody prefers: light or dark, on a screen or on paper."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def screenshot(self, path: Path) -> None:
        """Save what is seen."""
        data = self.call("Page.captureScreenshot")["data"]
        path.write_bytes(base64.b64decode(str(data)))


def _object(value: object) -> Message:
    assert isinstance(value, dict)
    return value


def _started_with(folder: Path) -> Iterator[int]:
    """Yield the processes that are told a folder, in whatever group they are."""
    for process in Path("/proc").glob("[0-9]*"):
        # Some end meanwhile.
        with suppress(OSError):
            if os.fsencode(folder) in (process / "cmdline").read_bytes():
                yield int(process.name)


def _pipe() -> tuple[int, int]:
    """Return a pipe whose ends are not where the browser looks for its own."""
    ends = os.pipe()
    try:
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    finally:
        for end in ends:
            os.close(end)
    return high[0], high[1]


def _read(fd: int, deadline: float) -> bytes:
    """Read what is there, or will be; nothing if that is the end."""
    left = max(0, deadline - time.monotonic())
    assert select.select([fd], [], [], left)[0], "the browser does not answer"
    return os.read(fd, 1 << 20)
