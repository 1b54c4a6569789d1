"""Where hubs poll: the functions in which an event loop waits for the outside world.

A hub that is in one of these, or in the C function that it called last, and off the CPU is *idle*, not
running: nothing in the program wanted to run. Everywhere else time off the CPU stays running time, for
there it held up every other greenlet.

Each entry is (end of the file name, qualified name of the function).
"""

from __future__ import annotations

from typing import Final

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
