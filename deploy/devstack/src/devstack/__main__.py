from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from devstack.errors import StackError
from devstack.folders import Folders
from devstack.ports import DEFAULT, HOST, Ports


def main() -> int:
    parser = argparse.ArgumentParser(prog="devstack", description="The whole of NeoForge on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    based = argparse.ArgumentParser(add_help=False)
    # As text: argparse turns it into a number, and says so to a person where it is none.
    port = os.environ.get("NEOFORGE_PORT") or str(DEFAULT)
    based.add_argument("--port", type=int, default=port, help="the base port")
    commands.add_parser("up", parents=[based], help="bring the stack up until Ctrl-C")
    for verb, what in (
        ("token", "sign in as a demo person and print the access token"),
        ("personal-token", "print a personal access token of a demo person"),
    ):
        token = commands.add_parser(verb, parents=[based], help=what)
        token.add_argument("person", nargs="?", default="ines")
    run = commands.add_parser(
        "run", parents=[based], help="the command line of a service or the gateway, with the stack's own settings"
    )
    run.add_argument("service")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="for example: jobs waiting")
    envoy_config = commands.add_parser("envoy-config", parents=[based], help="print Envoy's configuration")
    envoy_config.add_argument("--validate", action="store_true", help="let Envoy check it instead")
    smoke = commands.add_parser("smoke", help="the checks of a deploy, against a running stack")
    smoke.add_argument("url")
    new_service = commands.add_parser("new-service", help="write a new service into this tree")
    new_service.add_argument("name")
    new_service.add_argument("--resource", default="item", help="what it keeps, in the singular")
    options = parser.parse_args()
    try:
        return _run(options)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell says it


def _run(options: argparse.Namespace) -> int:
    # Each command imports what it needs alone: `up` stays resident.
    if options.command == "smoke":
        from devstack.smoke import smoke, token_for  # noqa: PLC0415

        return smoke(options.url, token_for(options.url, os.environ))
    if options.command == "new-service":
        from devstack.new_service import Names, render  # noqa: PLC0415

        for file in render(Path.cwd(), Names(options.name, options.resource)):
            print(file.relative_to(Path.cwd()))
        return 0
    ports = Ports(options.port)
    if options.command == "envoy-config":
        from devstack import envoy  # noqa: PLC0415

        if options.validate:
            envoy.validate(ports)
        else:
            print(envoy.configuration(ports, os.environ))
        return 0
    folders = Folders.of(os.environ)
    if options.command == "up":
        from devstack.up import up  # noqa: PLC0415

        return up(folders, ports, os.environ)
    if options.command == "run":
        _become(options.service, options.arguments, folders, ports)
    from devstack.signin import access_token, demo_login, personal_token  # noqa: PLC0415

    folders.make()
    url, login = f"http://{HOST}:{ports.edge}", demo_login(folders, options.person)
    kept = options.command == "personal-token"
    print(personal_token(folders, url, options.person) if kept else access_token(url, login))
    return 0


def _become(name: str, arguments: list[str], folders: Folders, ports: Ports) -> NoReturn:
    """Turn into the command line of a service or the gateway; raises StackError if there is none of that name."""
    from devstack.stack import Stack  # noqa: PLC0415

    folders.make()
    stack = Stack.of(folders, ports, os.environ)
    services = {service.name: service for service in stack.services}
    if name == "gateway":
        told = stack.gateway_environment()
    elif name in services:
        told = stack.service_environment(services[name])
    else:
        raise StackError(f"There is no service {name}; there are: {', '.join(services)}.")
    environment = {**stack.surroundings, **told}
    os.execve(sys.executable, [sys.executable, "-m", name, *arguments], environment)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    sys.exit(main())
