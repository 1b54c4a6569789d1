from typing import Any

class ToolIdsTaken(Exception): ...  # noqa: N818
class Busy(Exception): ...  # noqa: N818
class NotRunning(Exception): ...  # noqa: N818

class Recorder:
    def __init__(
        self,
        *,
        builtins: bool,
        threads: bool,
        hidden: tuple[str, ...],
        polls: tuple[tuple[str, str], ...],
        node_budget: int,
        memory_limit: int = ...,
        failing_request: int = ...,
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def snapshot(self) -> dict[str, Any]: ...
    @property
    def running(self) -> bool: ...
    @property
    def memory_bytes(self) -> int: ...
