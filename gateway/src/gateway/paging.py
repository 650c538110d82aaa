"""Pages of a list as clients see them."""

from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from neoforge.common.v1.page_pb2 import Page

T = TypeVar("T")

MAX_SIZE = 100
DEFAULT_SIZE = 20
_DEEPEST_PAGE = 10_001
"""Page numbers reach 10,000 rows deep; whoever goes on follows the cursors."""


def _decimal(value: object) -> object:
    """Let through what is plainly a number: Python would also read ` 1_0 ` as ten."""
    if isinstance(value, str) and not (value.isascii() and value.lstrip("-").isdigit() and len(value) <= 20):  # noqa: PLR2004 - a 64-bit number has at most 20 characters
        raise ValueError("must be a whole number")
    return value


Number = Annotated[int, BeforeValidator(_decimal)]


class PageQuery(BaseModel):
    """Which page of a list: by number, or where an earlier page ended."""

    model_config = ConfigDict(extra="forbid")

    page: Annotated[Number, Field(ge=1, le=_DEEPEST_PAGE)] | None = Field(
        default=None,
        description="The page, from 1. Reaches 10,000 rows deep; beyond, follow the cursors. Not with `cursor`.",
    )
    page_size: Annotated[Number, Field(ge=1, le=MAX_SIZE)] = Field(default=DEFAULT_SIZE, description="Rows per page.")
    cursor: Annotated[str, Field(max_length=2_000)] | None = Field(
        default=None,
        description="`next_cursor` or `previous_cursor` of an earlier page of the same list. Not with `page`.",
    )

    @field_validator("cursor")
    @classmethod
    def _one_way(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("page") is not None:
            raise ValueError("cannot stand together with page")
        return value


class PaginatedResponse(BaseModel, Generic[T]):
    """A page of a list. Rows are counted up to 1,000; `total_exact` says whether there are more."""

    items: list[T]
    total: Annotated[int, Field(ge=0, description="Rows of the whole list; at least so many without `total_exact`.")]
    total_exact: bool
    page: Annotated[int, Field(ge=1, description="This page's number.")]
    page_size: Annotated[int, Field(ge=1, description="Rows per page.")]
    pages: Annotated[int, Field(ge=1, description="Pages of the whole list, from `total`; 1 for an empty list.")]
    next_cursor: Annotated[str | None, Field(description="Leads to the next page; null on the last.")]
    previous_cursor: Annotated[str | None, Field(description="Leads to the previous page; null on the first.")]


def page_json(items: list[dict[str, Any]], page: Page) -> dict[str, Any]:
    """Give a page in the form of PaginatedResponse."""
    return {
        "items": items,
        "total": page.total,
        "total_exact": page.total_exact,
        "page": page.page,
        "page_size": page.page_size,
        "pages": max(1, -(-page.total // page.page_size)),
        "next_cursor": page.next_cursor or None,
        "previous_cursor": page.previous_cursor or None,
    }


def page_links(path: str, query: BaseModel, page: Page) -> dict[str, str]:
    """Give the addresses of the neighbouring pages of the same list, by relation (RFC 8288)."""
    asked = query.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"page", "cursor"})
    cursors = {"next": page.next_cursor, "prev": page.previous_cursor}
    return {
        relation: f"{path}?{urlencode({**asked, 'cursor': cursor}, doseq=True, quote_via=quote)}"
        for relation, cursor in cursors.items()
        if cursor
    } | _back(path, asked, page)


def _back(path: str, asked: dict[str, Any], page: Page) -> dict[str, str]:
    """From beyond the last page, lead to the last one by its number: no row is there for a cursor to begin at."""
    if page.page <= 1 or page.previous_cursor:
        return {}
    last = max(1, -(-page.total // page.page_size)) if page.total_exact else page.page
    number = min(last, page.page - 1)
    return {"prev": f"{path}?{urlencode({**asked, 'page': number}, doseq=True, quote_via=quote)}"}
