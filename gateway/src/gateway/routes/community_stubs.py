"""How routes ask the community service."""

from typing import TYPE_CHECKING

from grpc.aio import Channel

from neoforge.community.v1.categories_pb2_grpc import CategoriesServiceStub
from neoforge.community.v1.moderation_pb2_grpc import ModerationServiceStub
from neoforge.community.v1.posts_pb2_grpc import PostsServiceStub
from neoforge.community.v1.reactions_pb2_grpc import ReactionsServiceStub
from neoforge.community.v1.replies_pb2_grpc import RepliesServiceStub

if TYPE_CHECKING:
    # These exist for type checkers alone.
    from neoforge.community.v1.categories_pb2_grpc import CategoriesServiceAsyncStub
    from neoforge.community.v1.moderation_pb2_grpc import ModerationServiceAsyncStub
    from neoforge.community.v1.posts_pb2_grpc import PostsServiceAsyncStub
    from neoforge.community.v1.reactions_pb2_grpc import ReactionsServiceAsyncStub
    from neoforge.community.v1.replies_pb2_grpc import RepliesServiceAsyncStub


class CommunityStubs:
    """One for each of its proto services."""

    def __init__(self, channel: Channel) -> None:
        self.posts: PostsServiceAsyncStub = PostsServiceStub(channel)
        self.replies: RepliesServiceAsyncStub = RepliesServiceStub(channel)
        self.reactions: ReactionsServiceAsyncStub = ReactionsServiceStub(channel)
        self.categories: CategoriesServiceAsyncStub = CategoriesServiceStub(channel)
        self.moderation: ModerationServiceAsyncStub = ModerationServiceStub(channel)
