"""`python -m community serve | worker | jobs | migrate | sql`."""

from pathlib import Path

from chassis.command_line import main
from chassis.house import House
from chassis.service import Service, Servicer
from community.jobs import jobs
from community.servicer.categories import CategoriesServicer
from community.servicer.moderation import ModerationServicer
from community.servicer.posts import PostsServicer
from community.servicer.reactions import ReactionsServicer
from community.servicer.replies import RepliesServicer
from community.settings import Settings
from community.tables import idempotency_keys, job_tables, metadata
from neoforge.community.v1 import (
    categories_pb2,
    categories_pb2_grpc,
    moderation_pb2,
    moderation_pb2_grpc,
    posts_pb2,
    posts_pb2_grpc,
    reactions_pb2,
    reactions_pb2_grpc,
    replies_pb2,
    replies_pb2_grpc,
)


def build(house: House[Settings]) -> list[Servicer]:
    return [
        Servicer(PostsServicer(house), posts_pb2_grpc.add_PostsServiceServicer_to_server),
        Servicer(RepliesServicer(house), replies_pb2_grpc.add_RepliesServiceServicer_to_server),
        Servicer(ReactionsServicer(house), reactions_pb2_grpc.add_ReactionsServiceServicer_to_server),
        Servicer(CategoriesServicer(house), categories_pb2_grpc.add_CategoriesServiceServicer_to_server),
        Servicer(ModerationServicer(house), moderation_pb2_grpc.add_ModerationServiceServicer_to_server),
    ]


SERVICE = Service(
    name="community",
    settings=Settings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[
        posts_pb2.DESCRIPTOR.services_by_name["PostsService"],
        replies_pb2.DESCRIPTOR.services_by_name["RepliesService"],
        reactions_pb2.DESCRIPTOR.services_by_name["ReactionsService"],
        categories_pb2.DESCRIPTOR.services_by_name["CategoriesService"],
        moderation_pb2.DESCRIPTOR.services_by_name["ModerationService"],
    ],
    build=build,
    jobs=jobs,
)

if __name__ == "__main__":
    main(SERVICE)
