"""What the conformance suite makes, reads, changes and lists of this service."""

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.testing.specimen import Specimen
from community.__main__ import SERVICE
from community.tables import posts
from neoforge.community.v1 import posts_pb2 as pb

SPECIMEN = Specimen(
    service=SERVICE,
    table=posts,
    create=lambda n: (
        "CreatePost",
        pb.CreatePostRequest(category="general", title=f"Post {n}", body="Hello", tags=["made", f"n{n}"]),
    ),
    read=lambda id_: ("GetPost", pb.GetPostRequest(id=id_)),
    change=lambda id_, n: (
        "UpdatePost",
        pb.UpdatePostRequest(post=pb.Post(id=id_, body=f"Body {n}"), update_mask=FieldMask(paths=["body"])),
    ),
    remove=lambda id_: ("DeletePost", pb.DeletePostRequest(id=id_)),
    listing=lambda size, cursor: (
        "ListPosts",
        pb.ListPostsRequest(order=pb.ORDER_NEW, page_size=size, cursor=cursor),
    ),
    filtered=lambda size, cursor: (
        "ListPosts",
        pb.ListPostsRequest(order=pb.ORDER_NEW, page_size=size, cursor=cursor, tag="made"),
    ),
    resource=lambda reply: reply.post,
    items=lambda reply: [row.post for row in reply.posts],
)
