"""Random programs, for Hypothesis.

There are few functions, slots and threads, so that what is made is also used. Every program starts the
profiler at least once; what happens before that is what the profiler meets in mid-flight.
"""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from oracle import program as p

FUNCTIONS: Final = 4
GENERATORS: Final = 2
_DEPTH: Final = 2

_function = st.integers(0, FUNCTIONS - 1)
_generator = st.integers(0, GENERATORS - 1)
_greenlet_slot = st.integers(0, p.GREENLET_SLOTS - 1)
_generator_slot = st.integers(0, p.GENERATOR_SLOTS - 1)

_call = st.builds(p.Call, _function, st.sampled_from(p.Call.WAYS))


def _spawn(parent: st.SearchStrategy[int | None]) -> st.SearchStrategy[p.Spawn]:
    return st.builds(p.Spawn, _greenlet_slot, _function, st.booleans(), parent)


def _one(*statements: st.SearchStrategy[p.Statement]) -> tuple[st.SearchStrategy[p.Body], ...]:
    return tuple(each.map(lambda statement: (statement,)) for each in statements)


#: Some statements come together, for alone they would hardly ever meet.
_SIMPLE: Final = (
    *_one(
        st.builds(p.Call, _function, st.just("plain")),
        _call,
        _spawn(st.none() | _greenlet_slot),
        st.builds(p.Switch, _greenlet_slot),
        st.builds(p.Switch, _greenlet_slot),
        st.builds(p.Switch, st.just(0)),
        st.builds(p.Throw, _greenlet_slot, st.booleans()),
        st.builds(p.Drop, _greenlet_slot),
        st.builds(p.Make, _generator_slot, _generator),
        st.builds(p.Next, _generator_slot, st.booleans()),
        st.builds(p.Next, _generator_slot, st.booleans()),
        st.builds(p.Close, _generator_slot),
        st.builds(p.ThrowIn, _generator_slot),
        st.builds(p.Forget, _generator_slot),
        st.builds(p.NewThread, _function),
        st.builds(p.Hand, st.integers(0, p.MORE_THREADS)),
        st.builds(p.Start),
        st.builds(p.Stop),
        st.builds(p.Snapshot),
        st.builds(p.Raise),
        st.builds(p.Return),
    ),
    _spawn(st.none()).map(lambda spawn: (spawn, p.Switch(spawn.slot))),
    _spawn(st.none()).map(lambda spawn: (spawn, p.Switch(spawn.slot))),
    _spawn(st.none()).map(lambda spawn: (spawn, p.Switch(spawn.slot), p.Switch(spawn.slot))),
    _spawn(st.none()).map(lambda spawn: (spawn, p.Switch(spawn.slot), p.Drop(spawn.slot))),
    _spawn(st.none() | _greenlet_slot).map(lambda spawn: (spawn, p.Throw(spawn.slot, False))),
    st.builds(p.Make, _generator_slot, _generator).map(lambda make: (make, p.Next(make.slot, True))),
    st.builds(p.Make, _generator_slot, _generator).map(
        lambda make: (make, p.Next(make.slot, False), p.Forget(make.slot))
    ),
    st.just((p.Stop(), p.Start())),
)
_YIELDS: Final = _one(*[st.builds(p.Yield)] * 4, *[st.builds(p.YieldFrom, _generator)] * 2)
_MOST: Final = (10, 5, 4)


def _bodies(
    simple: tuple[st.SearchStrategy[p.Body], ...], least: int = 0, depth: int = 0
) -> st.SearchStrategy[p.Body]:
    pieces = simple
    if depth < _DEPTH:
        inner = _bodies(simple, 1, depth + 1)
        pieces = (
            *simple,
            *_one(
                st.builds(p.Try, inner, st.booleans(), inner),
                st.builds(p.Try, inner, st.just(True), inner),
                st.builds(p.Finally, inner, inner),
                st.builds(p.Loop, st.sampled_from((2, 3, 20)), inner),
            ),
        )
    lists = st.lists(st.one_of(*pieces), min_size=least, max_size=_MOST[depth])
    return lists.map(lambda parts: tuple(statement for part in parts for statement in part))


_function_bodies = _bodies(_SIMPLE)
_generator_bodies = _bodies(_SIMPLE + _YIELDS)


@st.composite
def programs(draw: st.DrawFn) -> p.Program:
    before, after = draw(_function_bodies), draw(_function_bodies)
    return p.Program(
        functions=((*before, p.Start(), *after), *(draw(_function_bodies) for _ in range(FUNCTIONS - 1))),
        generators=tuple(draw(_generator_bodies) for _ in range(GENERATORS)),
    )
