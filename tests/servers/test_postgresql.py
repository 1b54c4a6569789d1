"""psycopg2 and psycogreen on PostgreSQL: each query is counted, and each wait belongs to who asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import callers_in, calls_in, run, without_table

from servers.services import needs, postgresql

pytestmark = needs("psycopg2", "psycogreen")

CLIENTS = 10
QUERIES = 12

#: psycopg2 waits once for each connection and once for each query.
WAITS = {"connect": CLIENTS + 1, "main": 2, "look_up": CLIENTS * QUERIES, "store": CLIENTS * QUERIES}
WAITS_OF_BUILTINS = {
    "<built-in method psycopg2._psycopg._connect>": CLIENTS + 1,
    "<method 'execute' of 'psycopg2.extensions.cursor' objects>": 2 + 2 * CLIENTS * QUERIES,
}

#: Prints what the answers and what the table add up to.
PROGRAM = f"""
from gevent import monkey; monkey.patch_all()
from psycogreen.gevent import patch_psycopg; patch_psycopg()
import gevent, psycopg2

DSN = {{dsn!r}}

def connect():
    connection = psycopg2.connect(DSN)
    connection.autocommit = True
    return connection

def look_up(cursor, number):
    cursor.execute("select %s, pg_sleep(0.002)", (number,))
    return cursor.fetchone()[0]

def store(cursor, number):
    cursor.execute("insert into numbers values (%s)", (number,))

def client():
    connection = connect()
    cursor = connection.cursor()
    answers = [look_up(cursor, number) for number in range({QUERIES})]
    for number in answers:
        store(cursor, number)
    connection.close()
    return sum(answers)

def main():
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("create table numbers (number integer)")
    clients = [gevent.spawn(client) for _ in range({CLIENTS})]
    gevent.joinall(clients, raise_error=True)
    cursor.execute("select sum(number), count(*) from numbers")
    print(sum(each.value for each in clients), *cursor.fetchone())

main()
"""


@pytest.mark.parametrize("builtins", [True, False], ids=["", "without builtins"])
def test_each_query_and_each_wait_is_recorded_where_it_was_asked(builtins: bool, tmp_path: Path) -> None:
    with postgresql() as dsn:
        (tmp_path / "program.py").write_text(PROGRAM.format(dsn=dsn))
        options = [] if builtins else ["--no-builtins"]
        done = run(*options, "-o", "out.pstats", "program.py", folder=tmp_path)
    sum_of_answers = CLIENTS * sum(range(QUERIES))
    assert without_table(done.stderr) == ""
    assert (done.returncode, done.stdout) == (0, f"{sum_of_answers} {sum_of_answers} {CLIENTS * QUERIES}\n")
    profile = tmp_path / "out.pstats"
    calls = calls_in(profile)
    assert calls["client"] == CLIENTS
    assert calls["look_up"] == calls["store"] == CLIENTS * QUERIES
    assert callers_in(profile, "gevent_wait_callback") == (WAITS_OF_BUILTINS if builtins else WAITS)
