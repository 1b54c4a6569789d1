"""A program as Python source: nothing runs beside the functions that are to be recorded.

    functions    f0, f1 ...           called plainly
                 f0_1, f0_2 ...       the same body, with as many parameters as operators and keys pass
    generators   g0, g1 ...
    entries      main, t1, t2         the outermost function of each thread

What a program notes of itself (`log`, `fuel`) it notes by operators on globals: no call, so no event.
Threads take turns: whoever holds the baton runs, all others wait at their lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from oracle import program as p

#: Parameters that a function gets, by the suffix of its name; "_g" is for a greenlet's outermost function.
PARAMETERS: Final = {"": "", "_1": "_a", "_2": "_a, _b", "_4": "_a, _b, _c, _d", "_g": "*_"}

_CALLS: Final = {
    "plain": "f{n}()",
    "star": "f{n}(*())",
    "property": "o{n}.read",
    "add": "o{n} + 1",
    "item": "o{n}[0]",
    "delete": "D{n}()",
    "sorted": "sorted(ONE, key=f{n}_1)",
    "reduce": "reduce(f{n}_2, TWO)",
    "map": "list(map(f{n}_1, ONE))",
}

_HELPERS: Final = """\
class O{n}:
    read = property(f{n}_1)
    __add__ = __getitem__ = f{n}_2
    __enter__ = f{n}_1
    __exit__ = f{n}_4
o{n} = O{n}()
class D{n}:
    __del__ = f{n}_1
"""

_TOUCH: Final = """\
def touch():
    pass
"""

_MAIN: Final = """\
def main():
    global on, over, fuel, log, ended
    L.id = 0
    L.greenlets = [None] * SLOTS
    L.greenlets[0] = getcurrent()
    try:
        f0()
    except BaseException:
        pass
"""

_MAIN_WAITS: Final = """\
    while alive[{thread}]:
        locks[{thread}].release()
        locks[0].acquire()
        if touches: touch()
"""

_MAIN_ENDS: Final = """\
    over = True
    if on:
        on = False
        P.stop()
    ended, log, fuel = log, [], -1
    for each in L.greenlets:
        while each and each is not getcurrent():
            try:
                each.throw()
            except BaseException:
                pass
    each = None
    L.greenlets = None
    finished.release()
"""

_THREAD: Final = """\
def t{thread}():
    global graves
    L.id = {thread}
    L.greenlets = [None] * SLOTS
    L.greenlets[0] = getcurrent()
    try:
        targets[{thread}]()
    except BaseException:
        pass
    graves += (L.greenlets,)
    alive[{thread}] = False
    locks[0].release()
"""


def source_of(program: p.Program) -> str:
    """The module that runs the program by `main()`; interpreter.py says what else its globals hold."""
    return "\n".join(_Writer(program).lines())


class _Writer:
    def __init__(self, program: p.Program) -> None:
        self.program = program
        self.numbers = p.number_statements(program)

    def lines(self) -> Iterator[str]:
        for number, body in enumerate(self.program.functions):
            for suffix, parameters in PARAMETERS.items():
                yield from self.function(f"f{number}{suffix}({parameters})", body)
            yield _HELPERS.format(n=number)
        for number, body in enumerate(self.program.generators):
            yield from self.function(f"g{number}()", body)
            yield "    if 0: yield"
        for thread in range(1, p.MORE_THREADS + 1):
            yield _THREAD.format(thread=thread)
        yield _TOUCH
        yield _MAIN
        for thread in range(1, p.MORE_THREADS + 1):
            yield _MAIN_WAITS.format(thread=thread)
        yield _MAIN_ENDS

    def function(self, header: str, body: p.Body) -> Iterator[str]:
        yield f"def {header}:"
        yield "    global log, fuel, on, born, snapshots"
        yield "    fuel -= 1"
        yield "    if fuel < 0: return"
        yield from self.body(body, "    ")

    def body(self, body: p.Body, indent: str) -> Iterator[str]:
        for statement in body:
            yield f"{indent}log += {self.numbers[id(statement)]},"
            for line in self.statement(statement):
                yield indent + line
        yield indent + "pass"

    def statement(self, it: p.Statement) -> Iterator[str]:
        write = getattr(self, "write_" + type(it).__name__.lower())
        yield from write(it)

    # -- functions --------------------------------------------------------------------------------------

    def write_call(self, it: p.Call) -> Iterator[str]:
        yield f"with o{it.function}: pass" if it.how == "with" else _CALLS[it.how].format(n=it.function)

    def write_raise(self, _it: p.Raise) -> Iterator[str]:
        yield "raise Error"

    def write_return(self, _it: p.Return) -> Iterator[str]:
        yield "return"

    def write_try(self, it: p.Try) -> Iterator[str]:
        yield "try:"
        yield from self.body(it.body, "    ")
        yield "except BaseException:" if it.everything else "except Error:"
        yield from self.body(it.handler, "    ")

    def write_finally(self, it: p.Finally) -> Iterator[str]:
        yield "try:"
        yield from self.body(it.body, "    ")
        yield "finally:"
        yield from self.body(it.final, "    ")

    def write_loop(self, it: p.Loop) -> Iterator[str]:
        yield f"for _ in REPEAT[{it.times}]:"
        yield "    if fuel < 0: break"
        yield from self.body(it.body, "    ")

    # -- greenlets --------------------------------------------------------------------------------------

    def write_spawn(self, it: p.Spawn) -> Iterator[str]:
        made = f"{'Worker' if it.subclass else 'greenlet'}(f{it.function}_g"
        if it.parent is None:
            yield f"made = {made})"
            yield from self.put(f"L.greenlets[{it.slot}]")
        else:
            yield f"if L.greenlets[{it.parent}] is not None:"
            yield f"    made = {made}, L.greenlets[{it.parent}])"
            yield from ("    " + line for line in self.put(f"L.greenlets[{it.slot}]"))

    @staticmethod
    def put(slot: str) -> Iterator[str]:
        """What was in the slot may be killed by this, and run anything. Whether the interpreter itself keeps
        what was made alive meanwhile depends on how hot the code is; so the program does."""
        yield f"{slot} = made"
        yield "made = None"

    def write_switch(self, it: p.Switch) -> Iterator[str]:
        yield f"if L.greenlets[{it.slot}] is not None:"
        yield f"    L.greenlets[{it.slot}].switch()"

    def write_throw(self, it: p.Throw) -> Iterator[str]:
        yield f"if L.greenlets[{it.slot}] is not None:"
        yield f"    L.greenlets[{it.slot}].throw({'' if it.exits else 'Error'})"

    def write_drop(self, it: p.Drop) -> Iterator[str]:
        yield f"L.greenlets[{it.slot}] = None"

    # -- generators -------------------------------------------------------------------------------------

    def write_make(self, it: p.Make) -> Iterator[str]:
        yield f"made = g{it.generator}()"
        yield from self.put(f"G[{it.slot}]")

    @staticmethod
    def if_idle(slot: int) -> str:
        return f"if G[{slot}] is not None and not G[{slot}].gi_running:"

    def write_next(self, it: p.Next) -> Iterator[str]:
        yield self.if_idle(it.slot)
        yield f"    next(G[{it.slot}], None)" if it.builtin else f"    for _ in G[{it.slot}]: break"

    def write_close(self, it: p.Close) -> Iterator[str]:
        yield self.if_idle(it.slot)
        yield f"    G[{it.slot}].close()"

    def write_throwin(self, it: p.ThrowIn) -> Iterator[str]:
        yield self.if_idle(it.slot)
        yield "    try:"
        yield f"        G[{it.slot}].throw(Error)"
        yield "    except StopIteration:"
        yield "        pass"

    def write_forget(self, it: p.Forget) -> Iterator[str]:
        yield f"G[{it.slot}] = None"

    def write_yield(self, _it: p.Yield) -> Iterator[str]:
        yield "yield"

    def write_yieldfrom(self, it: p.YieldFrom) -> Iterator[str]:
        yield f"yield from g{it.generator}()"

    # -- threads ----------------------------------------------------------------------------------------

    def write_newthread(self, it: p.NewThread) -> Iterator[str]:
        yield f"if born < {p.MORE_THREADS}:"
        yield "    born += 1"
        yield "    alive[born] = True"
        yield f"    targets[born] = f{it.function}"
        yield "    start_new_thread(entries[born], ())"
        yield "    locks[L.id].acquire()"
        yield "    if touches: touch()"

    def write_hand(self, it: p.Hand) -> Iterator[str]:
        yield f"if alive[{it.thread}] and L.id != {it.thread}:"
        yield f"    locks[{it.thread}].release()"
        yield "    locks[L.id].acquire()"
        yield "    if touches: touch()"

    # -- the profiler -----------------------------------------------------------------------------------

    def write_start(self, _it: p.Start) -> Iterator[str]:
        yield "if not on and not over:"
        yield "    on = True"
        yield "    P.start()"

    def write_stop(self, _it: p.Stop) -> Iterator[str]:
        yield "if on:"
        yield "    on = False"
        yield "    P.stop()"

    def write_snapshot(self, _it: p.Snapshot) -> Iterator[str]:
        yield "if not over: snapshots += R.snapshot(),"
