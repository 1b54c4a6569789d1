"""Two greenlets that burn CPU and take turns: foo twice as much as bar.

    greenletprofiler examples/foo_bar.py [MILLIONS]

foo counts to MILLIONS million (20) and bar to half of that; after every million each calls gevent.sleep(0),
which lets the other one run. So of their CPU time foo has two thirds and bar one third, foo calls sleep
MILLIONS times and bar half as often, and neither ever calls the other, or itself.
"""

import sys

import gevent

MILLION = 1_000_000


def foo(millions: int) -> None:
    for _ in range(millions):
        count = 0
        while count < MILLION:
            count += 1
        gevent.sleep(0)


def bar(millions: int) -> None:
    for _ in range(millions):
        count = 0
        while count < MILLION:
            count += 1
        gevent.sleep(0)


def main(millions: int) -> None:
    gevent.joinall([gevent.spawn(foo, millions), gevent.spawn(bar, millions // 2)])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
