"""What happens later, and once: the outbox, its relay, the workers on Celery, and the scheduler.

The way of a job: a servicer puts a message into the outbox in its own transaction (`outbox`); the relay hands it to
Celery (`relay`, `broker`); a worker takes a lease on it, runs the job that is declared for its kind (`declaration`) and
deletes it in the transaction of the job's effect (`consumer`, `work`). All state is in PostgreSQL (`store`); Celery and
Redis are transport, and may lose everything they hold.
"""
