"""How many attempts are under way for each owner, so that one owner's endpoints cannot take all that there are."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from uuid import UUID


class UnderWay:
    """Counts the attempts of this process by owner; used on its one event loop alone."""

    def __init__(self) -> None:
        self._by_owner: Counter[UUID] = Counter()

    @contextlib.contextmanager
    def place(self, owner_id: UUID, most: int) -> Iterator[bool]:
        """Take a place for an attempt and give it back at the end; False when the owner has `most` of them already."""
        if self._by_owner[owner_id] >= most:
            yield False
            return
        self._by_owner[owner_id] += 1
        try:
            yield True
        finally:
            self._by_owner[owner_id] -= 1
            if not self._by_owner[owner_id]:
                del self._by_owner[owner_id]
