"""What a route says about itself; everything else about its requests follows."""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel

from gateway.body import FORM, JSON


class Kind(Enum):
    """What a request of a route does, and which rate limit it counts against."""

    READ = "reads"
    CREATE = "writes"
    CHANGE = "writes of what exists"
    REMOVE = "removals"

    @property
    def tier(self) -> str:
        """The rate limit's tier."""
        return "reads" if self is Kind.READ else "writes"


class Key(Enum):
    """Whether a write carries an idempotency key."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Tagged(Enum):
    """How a resource's entity tag comes about."""

    VERSION = "version"
    """Its version; If-Match guards its changes."""

    CONTENT = "content"
    """A hash of what is shown; its changes cannot be guarded."""


@dataclass(frozen=True)
class Declaration:
    """A route's kind, and where it differs from others of the kind.

    `answers` is the model of the body of a success, `if_match_required` makes a change without If-Match a 428,
    `conflicts` names the reasons of 409 that its service may give.
    """

    kind: Kind
    method: str
    answers: type[BaseModel] | None
    success: HTTPStatus = HTTPStatus.OK
    key: Key = Key.NONE
    tagged: Tagged = Tagged.VERSION
    if_match_required: bool = False
    media_types: frozenset[str] = JSON
    conflicts: tuple[str, ...] = ()
    has_cursor: bool = False
    public: bool = False
    """Whether a read is answered to all, signed in or not; what nobody in particular gets, all may keep a while, and
    so does the gateway; see cache.py."""
    names_in_query: bool = False
    """Whether a query parameter names something that may not exist, which is a 404 as one in the path would be."""
    outlives_service: bool = False
    """Whether a public read's last answer is given on while a new one is fetched, and while there is none to be had:
    for what stays true enough a while longer, and what nobody takes back from the public."""
    for_programs: bool = False
    """Whether a penalised address gets it too, since programs there need it for people: the keys of our tokens."""
    embedded: bool = False
    """Whether other pages and programs fetch it by addresses of their own making: what its query names beyond what the
    route knows (`?t=1764160000`, against caches) is passed over there, and refused everywhere else."""
    media_type: str = "application/json"
    """The type of a read's answer."""
    credentials: str = ""
    """For a request that proves by what it holds (a password, a code, a refresh token) who sends it, and is not
    looked at for an access token: the rate limit's tier that it counts against, by its address."""
    about_account: bool = False
    """Whether it is about the caller's account and its sessions, which no personal access token reaches. With
    `credentials`, an access token will do where the request holds nothing else (`Call.identify_by_token`)."""
    takes_file: bool = False
    """Whether the request's body is a file, of any media type."""
    gives_file: bool = False
    """Whether the answer is a file."""
    lasts: bool = False
    """Whether the answer is a stream of events, which has no end of its own."""

    @property
    def for_oauth(self) -> bool:
        """Whether clients of OAuth 2.0 use it, which send forms and know errors by names of their own."""
        return FORM in self.media_types


NO_CONTENT: Final = HTTPStatus.NO_CONTENT
