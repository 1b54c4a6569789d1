"""Adds up JUnit reports and fails if a test was skipped that could have run.

    python3 .ci/summary.py REPORT.xml...

A skip is right only where this Python cannot have what is tested; its reason then names a version
("Python 3.12 and later have ...") or an unusual build. The last line printed is "N passed, N failed", where a
wrong skip counts as failed; the exit code is 1 if there was one of those, or no test at all.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

RIGHT_REASON = re.compile(r"\bPython 3\.\d+|\bdebug build of Python\b|\bsanitized build\b")


def outcome(case: ElementTree.Element) -> str:
    """passed, failed, failed as expected, skipped (wrongly) or left out (rightly)."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    if skipped.get("type") == "pytest.xfail":
        return "failed as expected"
    return "left out" if RIGHT_REASON.search(skipped.get("message", "")) else "skipped"


def main(reports: list[str]) -> int:
    total: Counter[str] = Counter()
    for report in reports:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
        counts = Counter(map(outcome, cases))
        print(f"{Path(report).stem}: {dict(counts)}")
        if not cases:
            counts["failed"] += 1
        for case in cases:
            if outcome(case) in ("failed", "skipped"):
                skipped = case.find("skipped")
                reason = "" if skipped is None else f": {skipped.get('message')}"
                print(f"  {outcome(case)} {case.get('classname')}.{case.get('name')}{reason}")
        total += counts
    failed = total["failed"] + total["skipped"]
    print(f"{total['passed']} passed, {failed} failed")
    return 1 if failed or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
