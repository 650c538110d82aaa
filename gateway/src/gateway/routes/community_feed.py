"""Atom feeds of posts."""

from collections.abc import Sequence

from gateway.atom import Entry, written
from gateway.moments import rfc3339
from neoforge.community.v1 import posts_pb2 as pb


def feed(posts: Sequence[pb.Post], *, name: str, address: str, public_url: str) -> bytes:
    """Write the feed that stands at `address`."""
    title = f"Community: {name}" if name else "Community"
    return written(title, address, "NeoForge", [_entry(post, public_url) for post in posts])


def _entry(post: pb.Post, public_url: str) -> Entry:
    return Entry(
        id=f"urn:uuid:{post.id}",
        title=post.title,
        published=rfc3339(post.created_at),
        updated=rfc3339(post.updated_at),
        link=f"{public_url}/api/v1/community/posts/{post.id}",
        html=post.html,
        categories=(post.category, *post.tags),
        author=post.author_id,
    )
