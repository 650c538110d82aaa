"""draft-ietf-httpapi-ratelimit-headers-10 and the older X-RateLimit headers: both from one decision."""

import time

from tests.conformance.http.kit import PROJECTS, NotHere, Visitor, expect, rule, status_is, structured

SOURCE = "RateLimit headers draft 10,"
WEEK_S = 7 * 24 * 3_600


@rule(f"{SOURCE} 4", "RateLimit-Policy and RateLimit name the same policy; what is left is no more than the quota")
def _(visitor: Visitor) -> None:
    headers = visitor.client.get(PROJECTS).headers
    expect("ratelimit-policy" in headers and "ratelimit" in headers, "one of the two is missing")
    policy, state = structured(headers["ratelimit-policy"]), structured(headers["ratelimit"])
    expect(headers["ratelimit"].partition(";")[0] == headers["ratelimit-policy"].partition(";")[0], "other names")
    expect(0 <= int(state["r"]) <= int(policy["q"]), f"r={state['r']} of q={policy['q']}")
    expect(int(policy["w"]) > 0 and int(state["t"]) >= 0, f"w={policy['w']}, t={state['t']}")


@rule(f"{SOURCE} 4", "X-RateLimit-Limit, -Remaining and -Reset say the same, the last in seconds since 1970")
def _(visitor: Visitor) -> None:
    headers = visitor.client.get(PROJECTS).headers
    policy, state = structured(headers["ratelimit-policy"]), structured(headers["ratelimit"])
    expect(headers["x-ratelimit-limit"] == policy["q"], f"X-RateLimit-Limit: {headers['x-ratelimit-limit']}")
    expect(headers["x-ratelimit-remaining"] == state["r"], f"X-RateLimit-Remaining: {headers['x-ratelimit-remaining']}")
    reset = int(headers["x-ratelimit-reset"])
    expect(abs(reset - time.time()) < WEEK_S, f"X-RateLimit-Reset: {reset}")


@rule(f"{SOURCE} 4", "a request takes one from what is left")
def _(visitor: Visitor) -> None:
    first, second = (int(structured(visitor.client.get(PROJECTS).headers["ratelimit"])["r"]) for _ in range(2))
    policy = structured(visitor.client.get(PROJECTS).headers["ratelimit-policy"])
    regained = 2 + int(policy["q"]) / int(policy["w"]) * 10
    expect(second <= first + regained, f"{first} were left, then {second}")


@rule(f"{SOURCE} 4", "refusals tell the limit too")
def _(visitor: Visitor) -> None:
    for answer in (
        visitor.client.get(f"{PROJECTS}/018f0000-0000-7000-8000-00000000dead"),
        visitor.client.get(f"{PROJECTS}?page_size=0"),
        visitor.anyone.get(PROJECTS),
    ):
        expect("ratelimit" in answer.headers, f"a {answer.status_code} does not")


@rule("RFC 9110, 15.4.5", "a 304 costs no quota")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    before = int(structured(visitor.client.get(made.path).headers["ratelimit"])["r"])
    for _ in range(20):
        status_is(visitor.client.get(made.path, headers={"If-None-Match": made.etag}), 304)
    after = int(structured(visitor.client.get(made.path).headers["ratelimit"])["r"])
    if before < 2:
        raise NotHere("nothing is left of the quota")
    expect(after >= before - 2, f"{before} were left before twenty of them, {after} after")


@rule("RFC 7239, 8.1", "what a visitor says of its own address does not get it another quota")
def _(visitor: Visitor) -> None:
    def left(**headers: str) -> int:
        return int(structured(visitor.anyone.get("/api/v1/community/posts", headers=headers).headers["ratelimit"])["r"])

    before = left()
    claimed = [
        left(**{name: value})
        for number in range(5)
        for name, value in (
            ("X-Forwarded-For", f"198.51.100.{number}"),
            ("Forwarded", f"for=198.51.100.{number}"),
            ("X-Real-IP", f"198.51.100.{number}"),
        )
    ]
    policy = structured(visitor.anyone.get("/api/v1/community/posts").headers["ratelimit-policy"])
    slack = 5 * int(policy["q"]) / int(policy["w"]) + 1  # comes back meanwhile
    expect(claimed[-1] <= before - len(claimed) + slack, f"{before} were left, and {claimed} to who claimed others")
