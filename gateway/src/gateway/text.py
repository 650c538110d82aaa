"""Patterns of text in the API, each with the words for what it asks; the same in Rust, Python and JavaScript."""

from typing import Final

ID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
HTTP_URL: Final = r"^[hH][tT][tT][pP][sS]?://[^/?#@\s\x00-\x1f\x7f-\x9f]+([/?][^#\s\x00-\x1f\x7f-\x9f]*)?$"
OWNER: Final = r"^(me|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})$"
ASSIGNEE: Final = r"^(me|none|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})$"
OWNER_OR_ANY: Final = r"^(any|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})$"
SLUG: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
LANGUAGE: Final = r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$"
LINE: Final = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
LINE_OR_NOTHING: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
LINES: Final = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"

RULES: Final = {
    ID: "must be a UUID",
    HTTP_URL: "must be an http or https URL without user name, password or fragment",
    OWNER: "must be me or a UUID",
    ASSIGNEE: "must be me, none or a UUID",
    OWNER_OR_ANY: "must be any or a UUID",
    SLUG: "must be 1 to 63 of a-z, 0-9 and inner hyphens",
    LANGUAGE: "must be a language tag, such as de or en-GB",
    LINE: "must not be blank or hold control characters",
    LINE_OR_NOTHING: "must not hold control characters",
    LINES: "must not hold control characters other than line breaks and tabs",
}
