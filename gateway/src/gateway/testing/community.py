"""Stand-ins for the community service."""

from typing import TYPE_CHECKING, ClassVar

from gateway.testing.told import Told
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

if TYPE_CHECKING:
    import grpc


class StandInPosts(Told, posts_pb2_grpc.PostsServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = posts_pb2
    CreatePost = GetPost = ListPosts = UpdatePost = DeletePost = Told.answer
    SetAcceptedAnswer = SetPinned = SetLocked = ReadFeed = Told.answer


class StandInReplies(Told, replies_pb2_grpc.RepliesServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = replies_pb2
    CreateReply = GetReply = ListReplies = UpdateReply = DeleteReply = Told.answer


class StandInReactions(Told, reactions_pb2_grpc.ReactionsServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = reactions_pb2
    AddReaction = RemoveReaction = GetActivity = Told.answer


class StandInCategories(Told, categories_pb2_grpc.CategoriesServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = categories_pb2
    CreateCategory = GetCategory = ListCategories = UpdateCategory = DeleteCategory = Told.answer


class StandInModeration(Told, moderation_pb2_grpc.ModerationServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = moderation_pb2
    ReportContent = ListCases = DecideCase = ListActions = Told.answer


class StandInCommunity:
    """All of them."""

    def __init__(self) -> None:
        self.posts = StandInPosts()
        self.replies = StandInReplies()
        self.reactions = StandInReactions()
        self.categories = StandInCategories()
        self.moderation = StandInModeration()

    def reset(self) -> None:
        """Forget everything."""
        for part in (self.posts, self.replies, self.reactions, self.categories, self.moderation):
            part.reset()

    def add_to(self, server: "grpc.aio.Server") -> None:
        """Answer on this server."""
        posts_pb2_grpc.add_PostsServiceServicer_to_server(self.posts, server)
        replies_pb2_grpc.add_RepliesServiceServicer_to_server(self.replies, server)
        reactions_pb2_grpc.add_ReactionsServiceServicer_to_server(self.reactions, server)
        categories_pb2_grpc.add_CategoriesServiceServicer_to_server(self.categories, server)
        moderation_pb2_grpc.add_ModerationServiceServicer_to_server(self.moderation, server)
