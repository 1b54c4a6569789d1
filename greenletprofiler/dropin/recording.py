"""The one recording that the drop-in's functions act on, and the clock that it shows.

Counting goes on over stop() and start() until clear(). A Profiler has its settings for life, so a start()
with other settings retires it: its profile is kept, and its numbers are added to the new one's.

A child made by fork begins anew if it was recording: the running profiler forgets by itself what it recorded,
and the retired profiles go here.
"""

from __future__ import annotations

import os

from greenletprofiler.profile import Profile
from greenletprofiler.profiler import Profiler
from greenletprofiler.values import Clock

Settings = tuple[bool, bool]  # builtins, threads


class Recording:
    """Start, stop and clear as GreenletProfiler 0.1 had them: in vain they are silent."""

    def __init__(self) -> None:
        self.clock: Clock = "cpu"
        self._profiler: Profiler | None = None
        self._settings: Settings = (False, True)
        self._retired: list[Profile] = []
        self._watches_forks = False

    @property
    def running(self) -> bool:
        """True between start() and stop()."""
        return self._profiler is not None and self._profiler.running

    @property
    def memory_bytes(self) -> int:
        """What the recording holds now."""
        return 0 if self._profiler is None else self._profiler.memory_bytes

    def start(self, builtins: bool, threads: bool) -> None:
        """Goes on counting; nothing if it is running. Raises AlreadyRunningError beside another profiler."""
        if self.running:
            return
        profiler = self._profiler_for((bool(builtins), bool(threads)))
        profiler.start()

    def stop(self) -> None:
        """Nothing if it is stopped."""
        if self._profiler is not None and self._profiler.running:
            self._profiler.stop()

    def clear(self) -> None:
        """Forgets everything; goes on from there if it is running."""
        was_running = self.running
        self.stop()
        self._profiler = None
        self._retired.clear()
        if was_running:
            self.start(*self._settings)

    def profiles(self) -> list[Profile]:
        """What was recorded, in parts that follow each other in time. Times are as recorded, as they were in
        0.1: what the profiler's events cost is in them."""
        current = [] if self._profiler is None else [self._profiler.snapshot().raw()]
        return [*self._retired, *current]

    def _profiler_for(self, settings: Settings) -> Profiler:
        if self._profiler is not None and self._settings != settings:
            self._retire(self._profiler.snapshot().raw())
            self._profiler = None
        if self._profiler is None:
            self._profiler = Profiler(*settings)
            self._settings = settings
        return self._profiler

    def _retire(self, profile: Profile) -> None:
        if not self._watches_forks:
            os.register_at_fork(after_in_child=self._begin_anew_in_child)
            self._watches_forks = True
        self._retired.append(profile)

    def _begin_anew_in_child(self) -> None:
        if self.running:
            self._retired.clear()


#: There is one for the interpreter, as the module's functions have no other place to keep it.
RECORDING = Recording()
