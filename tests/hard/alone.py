"""A case in a process of its own.

    run_alone(case, "api", builtins=True)       the Outcome
    python -m hard.alone MODULE CASE INTERFACE BUILTINS
"""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from views import SESSIONS, CProfileSession

from hard.case import Case, Outcome

#: All that a case may be recorded by.
INTERFACES = {**SESSIONS, "cProfile": CProfileSession}


def run_here(case: Case, interface: str, builtins: bool) -> Outcome:
    """Runs the case in this process."""
    return case.run(INTERFACES[interface](builtins), builtins)


def run_alone(case: Case, interface: str, builtins: bool) -> Outcome:
    """Runs the case in another process."""
    which = [case.program.__module__, case.name, interface, str(int(builtins))]
    program = [sys.executable, "-W", "ignore", "-m", __name__, *which]
    tests = Path(__file__).parents[1]
    done = subprocess.run(program, cwd=tests, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return Outcome(**json.loads(done.stdout))


def main(module: str, name: str, interface: str, builtins: str) -> None:
    gc.disable()
    case = getattr(importlib.import_module(module), name)
    print(json.dumps(asdict(run_here(case, interface, builtins == "1"))))


if __name__ == "__main__":
    main(*sys.argv[1:])
