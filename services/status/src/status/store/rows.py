"""The statements that write whole rows: every table of this service has an id, and most a version."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Statement, statement


def insertion(table: sa.Table, *, unless: str = "") -> Statement:
    """The statement that stores one row, every column given; it does nothing if the column `unless` has the value."""
    values = {column.name: sa.bindparam(column.name, type_=column.type) for column in table.c}
    made = insert(table).values(values)
    if unless:
        made = made.on_conflict_do_nothing(index_elements=[unless])
    return statement(made, f"INSERT {table.name}")


def update_of(table: sa.Table, *names: str) -> Statement:
    """The statement that changes these columns of the row `id` if it still has the version `previous_version`."""
    id_, version = sa.bindparam("id", type_=sa.Uuid), sa.bindparam("previous_version", type_=sa.BigInteger)
    values = {name: sa.bindparam(name, type_=table.c[name].type) for name in names}
    return statement(
        sa.update(table)
        .where(table.c.id == id_, table.c.version == version)
        .values(values | {"version": table.c.version + 1}),
        f"UPDATE {table.name}",
    )
