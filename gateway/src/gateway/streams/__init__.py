"""Server-sent events: answers that go on for as long as somebody listens."""
