"""What stand-ins answer to anyone, and where the cache says that an answer came from."""

from typing import TYPE_CHECKING, Any, Final

from neoforge.common.v1.page_pb2 import Page
from neoforge.community.v1 import content_pb2, posts_pb2
from neoforge.status.v1 import page_pb2

if TYPE_CHECKING:
    import httpx

POSTS: Final = "/api/v1/community/posts"
POST_ID: Final = "018f0000-0000-7000-9000-000000000001"
ITEM: Final = f"{POSTS}/{POST_ID}"
STATUS: Final = "/api/v1/status"
BADGE: Final = f"{STATUS}/badge.svg"


def a_post(version: int = 7, **fields: Any) -> posts_pb2.GetPostResponse:
    """Answer with a post."""
    status = content_pb2.STATUS_PUBLISHED
    return posts_pb2.GetPostResponse(post=posts_pb2.Post(id=POST_ID, version=version, status=status, **fields))


def no_posts() -> posts_pb2.ListPostsResponse:
    """Answer with an empty list."""
    return posts_pb2.ListPostsResponse(page=Page(total_exact=True, page=1, page_size=20))


def a_page(description: str = "All well") -> page_pb2.GetPageResponse:
    """Answer with a status page."""
    return page_pb2.GetPageResponse(indicator=page_pb2.INDICATOR_NONE, description=description)


def told(answer: "httpx.Response") -> str:
    """Give what the cache says of an answer (RFC 9211), without the cache's name."""
    name, _, said = answer.headers["Cache-Status"].partition("; ")
    if name != "neoforge":
        raise AssertionError(name)
    return str(said)
