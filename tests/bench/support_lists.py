"""Whether lists and searches of tickets take as long with 200,000 tickets as with 2,000.

Run it from the root of the tree: `.venv/bin/python tests/bench/support_lists.py [SMALL LARGE CALLS]`.
Calls of both sizes alternate, so that whatever else the machine does touches both alike.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

from two_sizes import Ask, compare

from chassis.embedded.certificates import Authority
from chassis.embedded.postgresql import PostgreSQL, create_database, create_service, url_of
from chassis.identity import Caller
from chassis.migrations import runner
from chassis.service import RunningService
from chassis.settings import Environment
from chassis.testing.client import Client
from chassis.testing.plugin import tls_of
from neoforge.support.v1 import tickets_pb2 as pb
from support.__main__ import SERVICE
from support.testing import crowd

PASSWORD = "bench-" + "0" * 40
AGENT = Caller(UUID("00000000-0000-0000-0000-0000000000a5"), frozenset({"user", "agent"}), "s", "192.0.2.1")
CUSTOMER = Caller(UUID("00000000-0000-0000-0000-0000000000c5"), frozenset({"user"}), "s", "192.0.2.1")
ORDERS = ("CREATED_AT_DESC", "UPDATED_AT_DESC", "PRIORITY_DESC", "DUE_ASC")
QUERIES: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "open": {"status": pb.STATUS_OPEN},
    "closed": {"status": pb.STATUS_CLOSED},
    "urgent": {"priority": pb.PRIORITY_URGENT},
    "open and urgent": {"status": pb.STATUS_OPEN, "priority": pb.PRIORITY_URGENT},
    "mine": {"assignee_id": str(AGENT.subject)},
    "mine and open": {"assignee_id": str(AGENT.subject), "status": pb.STATUS_OPEN},
    "nobody's": {"unassigned": True},
    "of a requester": {"requester_id": str(CUSTOMER.subject)},
    "overdue": {"overdue": True},
    "label of every second": {"labels": [crowd.BILLING]},
    "label of one in a hundred": {"labels": [crowd.VIP]},
    "label that nobody has": {"labels": ["unheard of"]},
    "search every second": {"text": crowd.COMMON},
    "search one in a hundred": {"text": crowd.FREQUENT},
    "search one": {"text": crowd.RARE},
    "search nothing": {"text": "unheardof"},
    "search the beginning of a common word": {"text": crowd.COMMON[:4]},
    "search the beginning of a rare word": {"text": crowd.RARE[:4]},
    "search two words": {"text": f"{crowd.COMMON} {crowd.FREQUENT}"},
    "search every second, open": {"text": crowd.COMMON, "status": pb.STATUS_OPEN},
}
ASKED: Mapping[str, Ask] = {
    f"{name} {order.lower()}": Ask(
        AGENT,
        "ListTickets",
        pb.ListTicketsRequest(order=pb.TicketOrder.Value(f"TICKET_ORDER_{order}"), **query),
    )
    for name, query in QUERIES.items()
    for order in (ORDERS if "search" not in name else ORDERS[:1])
} | {
    "a customer's own": Ask(CUSTOMER, "ListTickets", pb.ListTicketsRequest()),
    "a customer's search": Ask(CUSTOMER, "ListTickets", pb.ListTicketsRequest(text=crowd.COMMON)),
    "all, deep": Ask(AGENT, "ListTickets", pb.ListTicketsRequest(), deep=True),
    "closed, deep": Ask(AGENT, "ListTickets", pb.ListTicketsRequest(status=pb.STATUS_CLOSED), deep=True),
}


async def run(small: int, large: int, calls: int) -> bool:
    with tempfile.TemporaryDirectory() as name, PostgreSQL(Path(name, "postgresql")) as server:
        authority = Authority(Path(name, "certificates"))

        async def serve(rows: int, stack: AsyncExitStack) -> Client:
            url = create_database(server.admin_url, f"bench_{rows}")
            create_service(url, SERVICE.name, PASSWORD, PASSWORD)
            runner.upgrade(url_of(url, user="support_owner", password=PASSWORD), SERVICE.migrations, SERVICE.tables)
            started = time.perf_counter()
            crowd.fill(url, rows)
            print(f"{rows:,} tickets loaded in {time.perf_counter() - started:.0f} s")
            identity = authority.issue(SERVICE.name)
            settings = SERVICE.settings.model_validate(
                {
                    "environment": Environment.TEST,
                    "listen": "127.0.0.1:0",
                    "ops_listen": "127.0.0.1:0",
                    "tls_ca": identity.authority,
                    "tls_certificate": identity.certificate,
                    "tls_key": identity.key,
                    "database_url": url_of(url, user="support", password=PASSWORD),
                    "cursor_secret": PASSWORD,
                    "smtp_url": "smtp://127.0.0.1",
                    "mail_from": "bench@example.test",
                }
            )
            running = RunningService(SERVICE, settings)
            await running.start()
            stack.push_async_callback(running.stop, 1)
            tls = tls_of(authority.issue("gateway"))
            return await stack.enter_async_context(Client(f"127.0.0.1:{running.port}", tls, SERVICE.descriptors))

        return await compare(serve, ASKED, small, large, calls)


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [2_000, 200_000, 100]
    sys.exit(asyncio.run(run(*sizes)))
