"""The kinds of problems (RFC 9457) that the API answers with, by the reason that services and gateway have for them."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final


@dataclass(frozen=True)
class Type:
    """A kind of problem: the last part of its address, its title, its HTTP status, and what a client can do."""

    name: str
    title: str
    status: HTTPStatus
    advice: str


TYPES: Final[dict[str, Type]] = {
    # What services say.
    "INVALID_FIELDS": Type(
        "invalid-fields",
        "Some values break their rules",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Each entry of `errors` names a value by its JSON pointer, or a query parameter by its name, and says what it "
        "must be. Correct them and send the request again.",
    ),
    "INVALID_CURSOR": Type(
        "invalid-cursor",
        "The cursor does not belong to this list",
        HTTPStatus.BAD_REQUEST,
        "A cursor holds only for the caller, the filter and the order of the page that it came with. Start again "
        "without a cursor.",
    ),
    "UNAUTHENTICATED": Type(
        "unauthenticated",
        "Sign in first",
        HTTPStatus.UNAUTHORIZED,
        "Send a valid access token as `Authorization: Bearer ...`. The WWW-Authenticate header says what was wrong "
        "with the one that came.",
    ),
    "FORBIDDEN": Type(
        "forbidden",
        "You may not do this",
        HTTPStatus.FORBIDDEN,
        "You may see the resource, but not do that to it. Its owner can give you another role.",
    ),
    "NOT_FOUND": Type(
        "not-found",
        "There is no such resource",
        HTTPStatus.NOT_FOUND,
        "The address is wrong, the resource was deleted, or it is not yours to see.",
    ),
    "VERSION_MISMATCH": Type(
        "version-mismatch",
        "The resource has changed",
        HTTPStatus.PRECONDITION_FAILED,
        "The resource is not in the state that If-Match or If-None-Match asks for. Get it again, look at what changed, "
        "and repeat your change with the new ETag.",
    ),
    "IDEMPOTENCY_KEY_REUSED": Type(
        "idempotency-key-reused",
        "The idempotency key belongs to another request",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The key came before with another payload. Use a new key for a new request.",
    ),
    "IDEMPOTENCY_IN_FLIGHT": Type(
        "idempotency-in-flight",
        "The first request with this key is still running",
        HTTPStatus.CONFLICT,
        "Repeat the same request after the time in Retry-After; it will get the first one's answer.",
    ),
    "SLUG_TAKEN": Type(
        "slug-taken",
        "The slug is taken",
        HTTPStatus.CONFLICT,
        "You have a project with this slug already. Choose another.",
    ),
    "ALREADY_MEMBER": Type(
        "already-member",
        "You are a member already",
        HTTPStatus.CONFLICT,
        "You have the role that the invitation gives, or more. The link stays good for whom it is meant.",
    ),
    "TICKET_CLOSED": Type(
        "ticket-closed",
        "The ticket is closed for good",
        HTTPStatus.CONFLICT,
        "Nothing can be added to a closed ticket or changed in it. Keep what you wrote and open a new ticket with it.",
    ),
    "ILLEGAL_MOVE": Type(
        "illegal-move",
        "The status cannot move this way",
        HTTPStatus.CONFLICT,
        "An open ticket becomes pending or solved, a pending one open or solved, a solved one open or closed. "
        "A resolved incident stays resolved: open another.",
    ),
    "CATEGORY_IN_USE": Type(
        "category-in-use",
        "Posts stand in the category",
        HTTPStatus.CONFLICT,
        "Move its posts to another category first.",
    ),
    "ALREADY_REPORTED": Type(
        "already-reported",
        "You have reported this before",
        HTTPStatus.CONFLICT,
        "The moderators know. There is nothing to be done.",
    ),
    "POST_LOCKED": Type(
        "post-locked",
        "The post takes no more replies",
        HTTPStatus.FORBIDDEN,
        "A moderator has locked it. Keep what you wrote; a new post can refer to this one.",
    ),
    "LIMIT_REACHED": Type(
        "limit-reached",
        "A limit of the product is reached",
        HTTPStatus.CONFLICT,
        "One more would be over a published limit. Remove something first.",
    ),
    "INVALID_CREDENTIALS": Type(
        "invalid-credentials",
        "The address or the password is wrong",
        HTTPStatus.UNAUTHORIZED,
        "Correct them, or ask for a new password. Which of both is wrong is not told.",
    ),
    "INVALID_REFRESH_TOKEN": Type(
        "invalid-refresh-token",
        "The refresh token is good no more",
        HTTPStatus.UNAUTHORIZED,
        "Sign in again. Its session has ended, or the token was used before.",
    ),
    "INVALID_CODE": Type(
        "invalid-code",
        "The code is wrong or good no more",
        HTTPStatus.UNAUTHORIZED,
        "Type it as the mail or the app shows it, or get a new one: a code is good once, for a while and a few tries.",
    ),
    "SECOND_FACTOR_REQUIRED": Type(
        "second-factor-required",
        "A second factor is needed",
        HTTPStatus.UNAUTHORIZED,
        "The password is right. Send `second_factor.pending` with a code, a recovery code or a passkey's answer to "
        "/api/v1/auth/token/second-factor; `second_factor.methods` lists which there are.",
    ),
    "INVALID_PENDING_SIGN_IN": Type(
        "invalid-pending-sign-in",
        "The sign-in is over",
        HTTPStatus.UNAUTHORIZED,
        "Begin again with the password. A sign-in waits ten minutes for its second factor and takes five tries.",
    ),
    "INVALID_PASSKEY": Type(
        "invalid-passkey",
        "The passkey's answer does not hold",
        HTTPStatus.UNAUTHORIZED,
        "Ask for new options and try again, or sign in with the password. A challenge is good once and for five "
        "minutes.",
    ),
    "WRONG_SECOND_FACTOR": Type(
        "wrong-second-factor",
        "The code or the passkey's answer is wrong",
        HTTPStatus.FORBIDDEN,
        "Wait for the app's next code: each is good once. Check the clock of the device that shows it.",
    ),
    "STEP_UP_REQUIRED": Type(
        "step-up-required",
        "Prove again who you are",
        HTTPStatus.FORBIDDEN,
        "Send what `methods` lists to /api/v1/auth/step-up, then repeat the request within ten minutes.",
    ),
    "SECOND_FACTOR_ON": Type(
        "second-factor-on",
        "The second factor is on already",
        HTTPStatus.CONFLICT,
        "Turn it off before another app takes its place.",
    ),
    "WRONG_PASSWORD": Type(
        "wrong-password",
        "The current password is wrong",
        HTTPStatus.FORBIDDEN,
        "Correct it, or ask for a new password.",
    ),
    "TOO_MANY_ATTEMPTS": Type(
        "too-many-attempts",
        "Too many tries",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Wait for the seconds in Retry-After; the account is not locked, and signs in from elsewhere.",
    ),
    "CROSS_SITE": Type(
        "cross-site",
        "The request does not come from the product's own pages",
        HTTPStatus.FORBIDDEN,
        "A request that uses the session's cookie needs the header X-NeoForge-CSRF: 1 and the Origin of the product.",
    ),
    "UNAVAILABLE": Type(
        "unavailable",
        "A part of the product does not answer",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Repeat the request after the time in Retry-After. A write with an idempotency key can be repeated safely.",
    ),
    "OVERLOADED": Type(
        "overloaded",
        "There is more to do than can be done",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Nothing was done. Repeat the request after the time in Retry-After, and wait longer each time.",
    ),
    "DEADLINE_EXCEEDED": Type(
        "deadline-exceeded",
        "The answer did not come in time",
        HTTPStatus.GATEWAY_TIMEOUT,
        "Repeat the request. A write with an idempotency key can be repeated safely; one without may have happened.",
    ),
    "NOT_CACHED": Type(
        "not-cached",
        "There is no kept answer that will do",
        HTTPStatus.GATEWAY_TIMEOUT,
        "The request said `only-if-cached`, and nothing is kept that is as fresh as it wants. Leave that out.",
    ),
    "INTERNAL": Type(
        "internal-error",
        "Something went wrong on our side",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Tell the operator the request id; what happened stands in the log under it.",
    ),
    # What the gateway says by itself.
    "MALFORMED_REQUEST": Type(
        "malformed-request",
        "The request is not valid HTTP",
        HTTPStatus.BAD_REQUEST,
        "The request line, a header or the framing of the body breaks the rules of HTTP.",
    ),
    "MALFORMED_BODY": Type(
        "malformed-body",
        "The body is not valid JSON",
        HTTPStatus.BAD_REQUEST,
        "The body must be one JSON value (RFC 8259) in UTF-8: no NaN or Infinity, no lone surrogates, nested at most "
        "about 200 deep. Of a member that comes twice, the last counts.",
    ),
    "MALFORMED_PRECONDITION": Type(
        "malformed-precondition",
        "A precondition cannot be read",
        HTTPStatus.BAD_REQUEST,
        "If-Match and If-None-Match hold `*` or a list of entity tags in double quotes.",
    ),
    "IDEMPOTENCY_KEY_MISSING": Type(
        "idempotency-key-missing",
        "An idempotency key is required",
        HTTPStatus.BAD_REQUEST,
        "Send an Idempotency-Key header with a string in double quotes, new for each new intention and the same for "
        "each repetition.",
    ),
    "IDEMPOTENCY_KEY_MALFORMED": Type(
        "idempotency-key-malformed",
        "The idempotency key cannot be read",
        HTTPStatus.BAD_REQUEST,
        'The key is a structured-field string: 1 to 255 ASCII characters in double quotes, such as "k1".',
    ),
    "CROSS_ORIGIN_REFUSED": Type(
        "cross-origin-refused",
        "Scripts of this origin may not do this",
        HTTPStatus.FORBIDDEN,
        "The operator lists the origins whose scripts may call the API (NEOFORGE_CORS_ORIGINS).",
    ),
    "METHOD_NOT_ALLOWED": Type(
        "method-not-allowed",
        "The resource has no such method",
        HTTPStatus.METHOD_NOT_ALLOWED,
        "The Allow header lists the methods of this resource.",
    ),
    "CONTENT_TOO_LARGE": Type(
        "content-too-large",
        "The body is too large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "A request body may have 1 MiB, and an attachment 10 MiB.",
    ),
    "UNSUPPORTED_MEDIA_TYPE": Type(
        "unsupported-media-type",
        "The body has the wrong media type",
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "Send the body as application/json; a PATCH also as application/merge-patch+json (RFC 7396).",
    ),
    "PRECONDITION_REQUIRED": Type(
        "precondition-required",
        "This change must name the state it is meant for",
        HTTPStatus.PRECONDITION_REQUIRED,
        "Get the resource and send its ETag in If-Match, so that nobody's change is overwritten unseen.",
    ),
    "QUOTA_EXCEEDED": Type(
        "quota-exceeded",
        "Too many requests",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Wait for the seconds in Retry-After; the next request is admitted then. RateLimit-Policy and RateLimit tell "
        "the quota and what is left of it.",
    ),
    "ADDRESS_PENALISED": Type(
        "address-penalised",
        "Requests without an identity are refused to this network for a while",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Attacks came from the same address. With a valid access token everything works as ever, and so do signing in, "
        "refreshing and signing up. Without one, wait for the seconds in Retry-After.",
    ),
    "REDUCED_CAPACITY": Type(
        "temporary-reduced-capacity",
        "Fewer requests than usual are admitted",
        HTTPStatus.TOO_MANY_REQUESTS,
        "For as long as the gateways cannot count together, each admits its part of every quota. Wait for the seconds "
        "in Retry-After; the next request is admitted then.",
    ),
    "TOO_MANY_STREAMS": Type(
        "too-many-streams",
        "You follow as many streams as you may at once",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Close a stream that is not needed any more, or wait for the seconds in Retry-After and try again.",
    ),
    "MALFORMED_LAST_EVENT_ID": Type(
        "malformed-last-event-id",
        "Last-Event-ID is no id of this stream",
        HTTPStatus.BAD_REQUEST,
        "Send the id of the last event that came, as it came, or begin without one.",
    ),
    "NOT_ACCEPTABLE": Type(
        "not-acceptable",
        "The answer has no form that the client takes",
        HTTPStatus.NOT_ACCEPTABLE,
        "This resource is a stream of events: accept text/event-stream.",
    ),
    "HEADERS_TOO_LARGE": Type(
        "headers-too-large",
        "The headers are too large",
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "Request line and headers together may have 32 KiB.",
    ),
}
