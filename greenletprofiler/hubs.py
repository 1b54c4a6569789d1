"""Where hubs poll: the functions in which an event loop waits for the outside world.

A hub that is in one of these, or in the C function that it called last, and off the CPU is *idle*, not
running: nothing in the program wanted to run. Everywhere else time off the CPU stays running time, for
there it held up every other greenlet.

Each entry is (end of the file name, qualified name of the function). Those of gevent and eventlet are known;
others are named by the user:

    myapp.loop:Hub.wait      a function of a module
    loops/own.py:Hub.wait    of a file, by the end of its name
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from greenletprofiler.errors import HubError

POLLS: Final[tuple[tuple[str, str], ...]] = (
    # gevent: Hub.run calls loop.run, which is compiled with libev and Python with the cffi loops
    ("gevent/hub.py", "Hub.run"),
    ("gevent/libev/corecffi.py", "loop.run"),
    ("gevent/libuv/loop.py", "loop.run"),
    # eventlet: one hub a system interface; without files to watch, wait() itself sleeps
    ("eventlet/hubs/poll.py", "Hub.wait"),
    ("eventlet/hubs/poll.py", "Hub.do_poll"),
    ("eventlet/hubs/epolls.py", "Hub.do_poll"),
    ("eventlet/hubs/selects.py", "Hub.wait"),
    ("eventlet/hubs/kqueue.py", "Hub.wait"),
    ("eventlet/hubs/kqueue.py", "Hub._control"),
)


def checked_hubs(hubs: Iterable[str]) -> tuple[str, ...]:
    """Names of functions in which hubs poll; one may be given as it is. Raises HubError for what is none."""
    names = tuple(hubs) if isinstance(hubs, Iterable) and not isinstance(hubs, str) else (hubs,)
    for name in names:
        place, _, function = name.partition(":") if isinstance(name, str) else ("", "", "")
        if not place or not function or not function.replace(".", "").isidentifier():
            raise HubError(
                f"{name!r} does not name a function in which a hub polls: write MODULE:FUNCTION, such as"
                " myapp.loop:Hub.wait."
            )
    return names


def polls_of(hubs: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The known ones, and these."""
    return POLLS + tuple(
        (ending, function)
        for place, _, function in (name.partition(":") for name in hubs)
        for ending in _endings(place)
    )


def _endings(place: str) -> tuple[str, ...]:
    """Of file names, for a module or a file."""
    if "/" in place or place.endswith(".py"):
        return (place,)
    path = place.replace(".", "/")
    return f"/{path}.py", f"/{path}/__init__.py"
