"""neoforge.community.v1.ReactionsService: each RPC parses, decides, stores and replies."""

from datetime import UTC, datetime
from typing import Any

from chassis import call as calls
from chassis.access import ANYONE, SIGNED_IN, allow
from chassis.convert import parse_uuid
from chassis.database import Connection
from chassis.house import House
from community import convert
from community.model.content import Subject
from community.servicer.access import published, readable_post
from community.settings import Settings
from community.store import reactions
from neoforge.community.v1 import content_pb2, reactions_pb2_grpc
from neoforge.community.v1 import reactions_pb2 as pb


class ReactionsServicer(reactions_pb2_grpc.ReactionsServiceServicer):
    """Answers the calls of ReactionsService from PostgreSQL."""

    def __init__(self, house: House[Settings]) -> None:
        self._database = house.database
        self._idempotency = house.idempotency

    @allow(SIGNED_IN)
    async def AddReaction(self, request: pb.AddReactionRequest, context: Any) -> pb.AddReactionResponse:
        subject, kind = convert.subject(request.subject), convert.reaction_kind(request.kind)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.AddReactionResponse)
            if earlier:
                return earlier
            await published(tx, subject)
            await reactions.add(tx, subject, calls.current().person, kind, datetime.now(UTC))
            reply = pb.AddReactionResponse(reactions=await self._reactions(tx, subject))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def RemoveReaction(self, request: pb.RemoveReactionRequest, context: Any) -> pb.RemoveReactionResponse:
        subject, kind = convert.subject(request.subject), convert.reaction_kind(request.kind)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.RemoveReactionResponse)
            if earlier:
                return earlier
            await published(tx, subject)
            await reactions.remove(tx, subject, calls.current().person, kind)
            reply = pb.RemoveReactionResponse(reactions=await self._reactions(tx, subject))
            return await self._idempotency.record(tx, reply)

    @allow(ANYONE)
    async def GetActivity(self, request: pb.GetActivityRequest, context: Any) -> pb.GetActivityResponse:
        id_, viewer = parse_uuid(request.post_id, "post_id"), convert.viewer()
        async with self._database.connection() as connection:
            await readable_post(connection, id_, viewer)
            found = await reactions.activities(connection, [id_], viewer.person)
        return pb.GetActivityResponse(activity=convert.activity_proto(found[id_]))

    async def _reactions(self, tx: Connection, subject: Subject) -> list[content_pb2.Reaction]:
        counts = await reactions.counts(tx, [subject.id], calls.current().person)
        return convert.reactions_proto(counts[subject.id])
