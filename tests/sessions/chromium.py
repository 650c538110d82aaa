"""Chromium without a window, told what to do over its DevTools protocol (https://chromedevtools.github.io).

The protocol goes over a pipe: no port is taken, and the browser ends with this process.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


class Refused(Exception):
    """The browser, or a script in a page, says that it failed."""


class Chromium:
    """A browser at the other end of two pipes."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._read = b""
        self._number = 0

    def tab(self) -> "Tab":
        """Open an empty page."""
        target = self.ask("Target.createTarget", url="about:blank")
        return Tab(self, self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"])

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and give its result; events are passed over."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        os.write(self._to, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self.next()).get("id") != self._number:
            pass
        if "error" in answer:
            raise Refused(answer["error"]["message"])
        result: dict[str, Any] = answer["result"]
        return result

    def next(self) -> dict[str, Any]:
        """Give the next message, an answer or an event."""
        while b"\0" not in self._read:
            more = os.read(self._from, 65_536)
            if not more:
                raise Refused("Chromium has gone")
            self._read += more
        message, _, self._read = self._read.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


class Tab:
    """A page that is open in the browser."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command that is about the page, and give its result."""
        return self._browser.ask(method, self._session, **parameters)

    def go(self, url: str) -> None:
        """Open an address, and wait until it is there."""
        self.ask("Page.enable")
        self.ask("Page.navigate", url=url)
        while self._browser.next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a function in the page, as if a person had clicked, and give what its promise gives."""
        call = f"({script})({', '.join(map(json.dumps, arguments))})"
        answer = self.ask("Runtime.evaluate", expression=call, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in answer:
            raise Refused(str(answer["exceptionDetails"]["exception"].get("description")))
        return answer["result"].get("value")


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """Start the browser with a profile of its own, and end it."""
    for_browser, to_browser = os.pipe()
    from_browser, by_browser = os.pipe()
    # It reads from descriptor 3 and writes to 4.
    start = f'exec chromium "$@" 3<&{for_browser} 4>&{by_browser}'
    log = (profile / "log").open("wb")
    browser = subprocess.Popen(
        ["bash", "-c", start, "chromium", *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(for_browser, by_browser),
        stdout=log,
        stderr=log,
    )
    os.close(for_browser)
    os.close(by_browser)
    try:
        yield Chromium(to_browser, from_browser)
    finally:
        os.close(to_browser)
        browser.terminate()
        browser.wait(20)
        os.close(from_browser)
        log.close()
