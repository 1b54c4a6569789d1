"""The program of foo_bar.py with greenlet alone: no gevent, no hub, no sleep.

    greenletprofiler examples/raw_greenlets.py [MILLIONS]

After every million each greenlet switches to the main one, which runs them in turn. What is true of foo and
bar there is true here; `switch` is called in place of `sleep`.
"""

import sys

from greenlet import getcurrent, greenlet

MILLION = 1_000_000


def foo(millions: int) -> None:
    for _ in range(millions):
        count = 0
        while count < MILLION:
            count += 1
        give_way()


def bar(millions: int) -> None:
    for _ in range(millions):
        count = 0
        while count < MILLION:
            count += 1
        give_way()


def give_way() -> None:
    parent = getcurrent().parent
    assert parent is not None
    parent.switch()


def main(millions: int) -> None:
    turns = {greenlet(foo): millions, greenlet(bar): millions // 2}
    while turns:
        for each, its_millions in list(turns.items()):
            each.switch(its_millions) if not each else each.switch()
            if each.dead:
                del turns[each]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
