"""`make up`: the whole stack, step by step, until somebody stops it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import time
from http.client import OK
from typing import TYPE_CHECKING

from chassis.embedded.process import EmbeddedError
from devstack.demo import seed
from devstack.errors import StackError
from devstack.loopback import answers, request
from devstack.people import PEOPLE
from devstack.ports import DEFAULT, holder, is_free
from devstack.signin import DAYS, access_token, bearer, demo_login, demo_password, personal_token
from devstack.stack import Stack
from devstack.supervisor import Supervisor
from devstack.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devstack.folders import Folders
    from devstack.ports import Ports

PORT_GRACE_SECONDS = 5
READY_SECONDS = 120
OPEN_FILES = 65_536


def up(folders: Folders, ports: Ports, surroundings: Mapping[str, str]) -> int:
    """Bring the stack up and keep it up; returns the exit status once it is stopped."""
    terminal = Terminal()
    _raise_open_files()
    try:
        folders.make()
        with folders.held():
            return asyncio.run(_until_stopped(Stack.of(folders, ports, surroundings), terminal))
    except (StackError, EmbeddedError) as error:
        terminal.fail(str(error))
        return 1


async def _until_stopped(stack: Stack, terminal: Terminal) -> int:
    return await _Up(stack, terminal).until_stopped()


class _Up:
    def __init__(self, stack: Stack, terminal: Terminal) -> None:
        self._stack = stack
        self._terminal = terminal
        self._supervisor = Supervisor(stack.folders, terminal, stack.python_environment())
        self._stops = 0

    async def until_stopped(self) -> int:
        work = asyncio.ensure_future(self._work())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number, work)
        try:
            await work
        except asyncio.CancelledError:
            return 0
        except (StackError, EmbeddedError) as error:
            self._terminal.fail(str(error))
            return 1
        finally:
            self._terminal.say("\nStopping ...")
            await self._supervisor.stop()
            self._terminal.say("Stopped; the data stay in " + str(self._stack.folders.data))
        return 0

    def _on_signal(self, number: signal.Signals, work: asyncio.Future[None]) -> None:
        self._stops += 1
        if self._stops == 1:
            work.cancel()
        elif number != signal.SIGHUP:  # a closed terminal may say so twice: the kernel and then the shell
            self._terminal.say("Ending everything at once.")
            self._supervisor.kill()

    async def _work(self) -> None:
        """Bring everything up and keep it up until one part fails for good, be it meanwhile or much later."""
        starting = asyncio.ensure_future(self._bring_up())
        try:
            await asyncio.wait({starting, self._supervisor.failed}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await self._supervisor.failed
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)

    async def _bring_up(self) -> None:
        begun = time.monotonic()
        stack, terminal, supervisor = self._stack, self._terminal, self._supervisor
        terminal.say("NeoForge")
        with terminal.step("ports"):
            await _probe_ports(stack)
        await supervisor.prepare()
        with terminal.step("PostgreSQL, Redis"):
            await supervisor.start(stack.postgresql_part(), stack.redis_part())
        if (remark := stack.database.place.remark) is not None:
            terminal.warn(remark)
        with terminal.step("roles and schemas"):
            await asyncio.to_thread(stack.create_roles)
        # The edge needs none of what comes next, and starting it meanwhile saves a second or two.
        edge_parts = [stack.mail_part(), stack.gateway_part(), stack.envoy_part()]
        edge_parts += [stack.traces_part()] if stack.shows_traces else []
        edge = asyncio.ensure_future(supervisor.start(*edge_parts))
        try:
            with terminal.step("migrations"):
                await self._migrate()
            with terminal.step(", ".join(service.name for service in stack.services)):
                await supervisor.start(*(stack.service_part(service) for service in stack.services))
            with terminal.step("mail catcher, trace page, gateway, Envoy"):
                await edge
        finally:
            edge.cancel()
        with terminal.step("ready through Envoy"):
            await self._until(f"{stack.url}/ready")
        with terminal.step("workers"):
            await supervisor.start(*(stack.worker_part(service) for service in stack.services))
        if not stack.accounts_marker.exists():
            with terminal.step("demo accounts"):
                await self._make_accounts()
        with terminal.step("demo data"):
            await asyncio.to_thread(seed, stack.folders.data / "demo-edition", stack.url, self._token)
        await self._print_addresses(time.monotonic() - begun)

    async def _migrate(self) -> None:
        runs = (self._supervisor.run(f"{s.name}-migrations", self._stack.migration(s)) for s in self._stack.services)
        await asyncio.gather(*runs)

    async def _make_accounts(self) -> None:
        """Let the demo people sign in."""
        accounts = (self._supervisor.run(f"account-{p.name}", self._stack.account(p)) for p in PEOPLE.values())
        await asyncio.gather(*accounts)
        self._stack.accounts_marker.touch()

    def _token(self, person: str) -> str:
        return access_token(self._stack.url, demo_login(self._stack.folders, person))

    async def _until(self, url: str) -> None:
        ready = answers(url)
        deadline = time.monotonic() + READY_SECONDS
        while not await ready():
            if time.monotonic() > deadline:
                raise StackError(
                    f"{url} is not ready after {READY_SECONDS} s. The logs are in {self._stack.folders.logs}"
                )
            await asyncio.sleep(0.1)

    async def _print_addresses(self, seconds: float) -> None:
        """Print each address after it has answered."""
        stack, say = self._stack, self._terminal.say
        addresses = {
            "API": f"{stack.url}/api/v1/projects",
            "API over TLS": f"{stack.secure_url}/api/v1/projects",
            "API documentation": f"{stack.url}/docs",
            "OpenAPI": f"{stack.url}/openapi.json",
            "Mail": stack.mail_url,
            **({"Traces": stack.traces_url} if stack.shows_traces else {}),
            "Metrics": f"{stack.url}/metrics",
            "Readiness": f"{stack.url}/ready",
        }
        say(f"\nReady in {seconds:.1f} s.\n")
        token = await asyncio.to_thread(self._personal_token)
        for name, url in addresses.items():
            headers = bearer(token) if token else {}
            status, _ = await asyncio.to_thread(request, "GET", url, headers=headers, authority=stack.authority)
            if status == OK:
                say(f"  {name:<18} {url}")
            else:
                self._terminal.warn(f"{name} at {url} answers {status or 'nothing'}")
        say(f"\nOver TLS it speaks HTTP/1.1, HTTP/2 and HTTP/3, with a certificate of {stack.authority}.")
        mails = ", ".join(f"{person.mail} ({person.roles[-1]})" for person in PEOPLE.values())
        say(f"\nSign in as {mails}\nwith the password {demo_password(stack.folders)}\n")
        if token:
            others = _command(stack, "personal-token PERSON=tomas")
            say(f"Try, with a token of Ines that is good for {DAYS} days (others: {others}, or mara):\n")
            say(f"curl -H 'Authorization: Bearer {token}' {stack.url}/api/v1/projects\n")
        say(f"Logs are in {stack.folders.logs}. Ctrl-C stops everything.")

    def _personal_token(self) -> str | None:
        """A token of Ines to try with; None if she has changed how she signs in."""
        try:
            return personal_token(self._stack.folders, self._stack.url, "ines")
        except StackError as error:
            self._terminal.warn(str(error))
            return None


def _command(stack: Stack, target: str) -> str:
    """How a person asks make for something: port and data folder are told where they are not the usual ones."""
    data = stack.surroundings.get("NEOFORGE_DATA")
    place = [f"NEOFORGE_DATA={data}"] if data else []
    port = [f"PORT={stack.ports.base}"] if stack.ports.base != DEFAULT else []
    return " ".join([*place, "make", target, *port])


async def _probe_ports(stack: Stack) -> None:
    """Raise StackError for ports that are taken and stay so: a stack that was killed just now needs a moment to end."""
    taken = stack.taken_ports()
    deadline = time.monotonic() + PORT_GRACE_SECONDS
    while any(not is_free(port) for port in taken.values()):
        if time.monotonic() > deadline:
            lines = [f"  {port} for {part}: {holder(port)}" for part, port in taken.items() if not is_free(port)]
            raise StackError("\n".join(["Taken:", *lines, "Choose another base port: make up PORT=9080"]))
        await asyncio.sleep(0.1)


def _raise_open_files() -> None:
    """A connection is a file, and many systems allow a process 1,024 unless it asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
