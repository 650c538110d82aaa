import argparse
import asyncio
import importlib.metadata
import sys

import uvloop

from chassis import certificate, logs, metrics, telemetry
from chassis.settings import load
from gateway import command, serving
from gateway.settings import GatewaySettings


def main() -> None:
    parser = argparse.ArgumentParser(prog="gateway", description="NeoForge's edge: REST in, gRPC out")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("serve", help="answer requests until SIGTERM")
    verbs.add_parser("penalties", help="print the addresses that are penalised")
    lift = verbs.add_parser("lift", help="penalise an address no more, and forget what it did")
    lift.add_argument("address", help="as `penalties` prints it, or any of an IPv6 /64")
    asked = parser.parse_args()
    logs.setup("gateway", stream=sys.stderr)  # until the settings are read
    settings = load(GatewaySettings)
    if asked.verb != "serve":
        sys.exit(asyncio.run(command.answer(settings, asked.address if asked.verb == "lift" else None)))
    logs.setup("gateway", settings.log_level)
    version = importlib.metadata.version("neoforge-gateway")
    telemetry.setup("gateway", version)
    metrics.tell_build(version)
    certificate.tell(settings.tls)
    status = uvloop.run(serving.serve(settings))
    telemetry.flush()
    sys.exit(status)


if __name__ == "__main__":
    main()
