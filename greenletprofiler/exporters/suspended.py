"""The part of the table that says where greenlets were suspended at the snapshot, while the program ran.

    Suspended: 41 greenlets, in 2 places
    greenlets  in
           40  Event.wait < wait_for_it < serve
            1  loop.run < run

Callers come after what they called, as far as they fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from greenletprofiler.exporters.text import GAP, count, innermost_first, right_aligned, wrapped
from greenletprofiler.profile import Profile

MOST_PLACES: Final = 10
NOWHERE: Final = "no function that is recorded"


def suspended_lines(profile: Profile, width: int) -> Iterator[str]:
    """No lines if none was."""
    places = Counter(each.stack for each in profile.greenlets if each.state == "suspended")
    if not places:
        return
    yield ""
    greenlets = count(sum(places.values()), "greenlet")
    yield from wrapped(f"Suspended: {greenlets}, in {count(len(places), 'place')}", width)
    shown = places.most_common(MOST_PLACES)
    lines = list(right_aligned([("greenlets",), *((f"{number:,}",) for _, number in shown)]))
    room = width - len(lines[0]) - len(GAP)
    texts = (innermost_first(stack, room) if stack else NOWHERE for stack, _ in shown)
    for line, text in zip(lines, ("in", *texts), strict=True):
        yield f"{line}{GAP}{text}"
    if len(places) > MOST_PLACES:
        yield f"... and {count(len(places) - MOST_PLACES, 'place')} more"
