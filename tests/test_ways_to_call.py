"""Every way to call: exact counts, true callers, and the program's own exceptions, cold and hot.

A way is a function of this file that calls in one way; tests/ways.py says how its edges are written down.
Each is recorded through both interfaces, with built-ins and without, first with code that was never run, then
some thousand times. A way that fails must fail as it does without a profiler. After each call of a way its
caller calls after(): a call that was never closed would be the caller of that.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import operator
import signal
import sys
import time
import types
from collections import defaultdict, deque, namedtuple
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import gevent.event
import pytest
from views import VIEWS
from ways import (
    HOT,
    KNOWS_CLASSES,
    MONITORING,
    Way,
    Ways,
    account,
    changed_accounts,
    comparable,
    fresh,
    recorded,
)

pytestmark = pytest.mark.usefixtures("event_costs_measured_once")

EACH_VIEW = pytest.mark.parametrize("view", VIEWS)
BUILTINS = pytest.mark.parametrize("builtins", [True, False], ids=["builtins", "python only"])

way = Ways()
failing = Ways()


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A process that a shell started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def after() -> None:
    pass


def leaf(*_args: object, **_options: object) -> int:
    return 1


def key(number: int) -> int:
    return -number


def fail(*_args: object) -> None:
    raise ValueError("mine", 1)


def program_of(call: Callable[[], object], turns: int) -> Callable[[], None]:
    every = [None] * turns

    def program() -> None:
        for _ in every:
            call()
            after()

    return program


def failing_program_of(call: Callable[[], object], errors: list[Any]) -> Callable[[], None]:
    turns = list(range(len(errors)))

    def program() -> None:
        for turn in turns:
            try:
                call()
            except BaseException as error:
                errors[turn] = error
            after()

    return program


@BUILTINS
@EACH_VIEW
@pytest.mark.parametrize("each", way, ids=lambda each: each.name)
def test_exact_calls_and_callers_cold_and_hot(each: Way, view: str, builtins: bool) -> None:
    call = fresh(each.call)
    for turns in (1, HOT):
        seen = recorded(view, program_of(call, turns), builtins)
        assert seen == comparable(each.edges(builtins, turns))


@BUILTINS
@EACH_VIEW
@pytest.mark.parametrize("each", failing, ids=lambda each: each.name)
def test_the_programs_own_exception_and_exact_calls_cold_and_hot(
    each: Way, view: str, builtins: bool
) -> None:
    plain: list[Any] = [None]
    failing_program_of(fresh(each.call), plain)()
    call = fresh(each.call)
    for turns in (1, HOT):
        errors: list[Any] = [None] * turns
        seen = recorded(view, failing_program_of(call, errors), builtins)
        assert changed_accounts(errors, account(plain[0])) == []
        assert seen == comparable(each.edges(builtins, turns))


# -- Python functions --------------------------------------------------------------------------------------


class Thing:
    """Called in every way that Python code can be."""

    def __init__(self, *_args: object) -> None:
        leaf()

    def method(self, *_args: object, **_options: object) -> int:
        return 1

    @classmethod
    def of_class(cls) -> None:
        pass

    @staticmethod
    def static() -> None:
        pass

    @property
    def attribute(self) -> int:
        return 1

    @attribute.setter
    def attribute(self, value: int) -> None:
        pass

    @attribute.deleter
    def attribute(self) -> None:
        pass

    def __call__(self) -> None:
        leaf()

    def __add__(self, other: object) -> int:
        return 1

    def __radd__(self, other: object) -> int:
        return 1

    def __iadd__(self, other: object) -> Thing:
        return self

    def __neg__(self) -> int:
        return 1

    def __getitem__(self, index: object) -> int:
        return 1

    def __setitem__(self, index: object, value: object) -> None:
        pass

    def __delitem__(self, index: object) -> None:
        pass

    def __contains__(self, item: object) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return True

    def __lt__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 1

    def __len__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> int:
        return 1

    def __format__(self, spec: str) -> str:
        return "thing"

    def __enter__(self) -> Thing:
        return self

    def __exit__(self, *_error: object) -> bool:
        return True


class Derived(Thing):
    def __init__(self) -> None:
        super().__init__()

    def method(self, *args: object, **options: object) -> int:
        return super().method()


class Descriptor:
    def __get__(self, instance: object, owner: object) -> int:
        return 1

    def __set__(self, instance: object, value: object) -> None:
        pass


class Described:
    field = Descriptor()


thing = Thing()
derived = Derived()
described = Described()
bound = thing.method
nothing: tuple[object, ...] = ()
one: tuple[int, ...] = (1,)
nine = tuple(range(9))
no_options: dict[str, object] = {}
options: dict[str, object] = {"option": 1}


@way("leaf * 3")
def plain_calls() -> None:
    leaf()
    leaf(1)
    leaf(1, option=2)


@way("leaf * 4")
def calls_with_unpacked_arguments() -> None:
    leaf(*one)
    leaf(**options)
    leaf(*one, **options)
    leaf(*nothing, **no_options)


@way("Thing.method * 4")
def bound_and_unbound_methods() -> None:
    thing.method()
    Thing.method(thing)
    bound()
    Thing.method(thing, 1, option=1)


@way("Thing.method * 6")
def methods_with_unpacked_arguments() -> None:
    thing.method(*one)
    thing.method(**options)
    bound(*one, **options)
    bound(*nothing)
    Thing.method(thing, *one)
    Thing.method(*(thing, 1))


@way("Thing.of_class * 3; Thing.static * 3")
def class_and_static_methods() -> None:
    thing.of_class()
    Thing.of_class()
    Derived.of_class()
    thing.static()
    Thing.static()
    Derived.static()


static_object: Any = Thing.__dict__["static"]


@way("Thing.static * 2")
def a_static_method_object() -> None:
    static_object()
    static_object(*nothing)


@way(
    "Derived.method; Derived.method > Thing.method",
    told="Derived.method; Derived.method > super; Derived.method > Thing.method",
)
def methods_of_the_base_by_super() -> None:
    derived.method()


@way("Thing.__call__ * 2; Thing.__call__ > leaf * 2")
def callable_objects() -> None:
    thing()
    thing(*nothing)


add_one = lambda number: number + 1  # noqa: E731


@way("<lambda> * 3")
def lambdas() -> None:
    add_one(1)
    add_one(*one)
    (lambda: 1)()


method_over_method: Any = types.MethodType(types.MethodType(leaf, 1), 2)
method_over_callable: Any = types.MethodType(thing.of_class, 1)


@way("leaf * 3", told="leaf * 3; method * 1")
def method_objects() -> None:
    method_over_method()
    method_over_method(*one)
    types.MethodType(leaf, 1)()


def decorated_by_hand(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def wrapper(*args: object) -> int:
        return function(*args)

    return wrapper


@decorated_by_hand
@decorated_by_hand
def decorated() -> int:
    return leaf()


@way("wrapper; wrapper > wrapper; wrapper > decorated; decorated > leaf")
def decorated_functions() -> None:
    decorated()


@functools.singledispatch
def dispatched(_value: object) -> int:
    return 0


@dispatched.register
def _for_numbers(_value: int) -> int:
    return leaf()


@way("wrapper * 2; wrapper > dispatched; wrapper > _for_numbers; _for_numbers > leaf")
def functions_by_single_dispatch() -> None:
    dispatched("")
    dispatched(1)


# -- what the interpreter calls by itself ------------------------------------------------------------------


@way("Thing.__add__ * 2; Thing.__radd__; Thing.__iadd__; Thing.__neg__")
def arithmetic_operators() -> None:
    global thing
    _ = thing + 1
    _ = thing + thing
    _ = 1 + thing
    _ = -thing
    thing += 1


@way("Thing.__getitem__ * 2; Thing.__setitem__; Thing.__delitem__; Thing.__contains__ * 2")
def subscripts_and_membership() -> None:
    _ = thing[1]
    _ = thing[1:2]
    thing[1] = 1
    del thing[1]
    _ = 1 in thing
    _ = 1 not in thing


@way("Thing.__eq__; Thing.__lt__ * 2; Thing.__bool__ * 2")
def comparisons_and_truth() -> None:
    _ = thing == 1
    _ = thing < 1
    _ = derived > thing
    if thing:
        pass
    _ = not thing


@way(
    "Thing.__len__; Thing.__hash__ * 2; Thing.__bool__",
    on="len; len > Thing.__len__; hash; hash > Thing.__hash__; Thing.__hash__; Thing.__bool__",
    told="len; len > Thing.__len__; hash; hash > Thing.__hash__; Thing.__hash__; bool; bool > Thing.__bool__",
)
def slots_by_builtins() -> None:
    len(thing)
    hash(thing)
    _ = {thing: 1}
    bool(thing)


@way("Thing.attribute * 3; Thing.__getattr__")
def attributes() -> None:
    _ = thing.attribute
    thing.attribute = 1
    del thing.attribute
    _ = thing.missing


@way(
    "Thing.attribute * 2; Thing.__getattr__ * 3",
    on="getattr * 3; getattr > Thing.attribute; getattr > Thing.__getattr__ * 2;"
    "hasattr; hasattr > Thing.__getattr__; setattr; setattr > Thing.attribute",
)
def attributes_by_builtins() -> None:
    getattr(thing, "attribute")  # noqa: B009
    getattr(thing, "missing")  # noqa: B009
    getattr(thing, "missing", None)
    hasattr(thing, "missing")
    setattr(thing, "attribute", 1)  # noqa: B010


@way("Descriptor.__get__ * 2; Descriptor.__set__")
def descriptors() -> None:
    _ = described.field
    _ = Described.field
    described.field = 2


@way("Thing.__format__ * 2", on="Thing.__format__; format; format > Thing.__format__")
def formatting() -> None:
    _ = f"{thing}"
    format(thing)


@way(
    "Thing.__enter__ * 2; Thing.__exit__ * 2; leaf; fail",
    told="Thing.__enter__ * 2; Thing.__exit__ * 2; leaf; fail; fail > ValueError",
)
def with_statements() -> None:
    with thing:
        leaf()
    with thing:
        fail()


@contextmanager
def managed() -> Iterator[None]:
    leaf()
    yield
    leaf()


@way(
    "helper; _GeneratorContextManager.__enter__; _GeneratorContextManager.__exit__; leaf;"
    "_GeneratorContextManager.__enter__ > managed; _GeneratorContextManager.__exit__ > managed;"
    "managed > leaf * 2",
    on="helper; _GeneratorContextManager.__enter__; _GeneratorContextManager.__exit__; leaf;"
    "next > managed * 2; managed > leaf * 2",
)
def generators_as_context_managers() -> None:
    with managed():
        leaf()


class Doubling:
    def __init_subclass__(cls) -> None:
        leaf()

    def __set_name__(self, owner: type, name: str) -> None:
        leaf()


@way(
    "Made; Doubling.__init_subclass__; Doubling.__set_name__; Doubling.__init_subclass__ > leaf;"
    "Doubling.__set_name__ > leaf; Made > leaf",
    on="__build_class__; __build_class__ > Made; __build_class__ > Doubling.__init_subclass__;"
    "__build_class__ > Doubling.__set_name__; Doubling.__init_subclass__ > leaf;"
    "Doubling.__set_name__ > leaf; Made > leaf",
)
def class_statements() -> None:
    class Made(Doubling):
        leaf()
        one = Doubling()


# -- types -------------------------------------------------------------------------------------------------


class MadeByNew:
    def __new__(cls, *_args: object) -> MadeByNew:
        return object.__new__(cls)


class MadeByBoth:
    def __new__(cls, *_args: object) -> MadeByBoth:
        leaf()
        return object.__new__(cls)

    def __init__(self, *_args: object) -> None:
        leaf()


class NotMade:
    """Its __new__ gives something else, so that no __init__ is called."""

    def __new__(cls) -> Any:
        return leaf()

    def __init__(self) -> None:
        fail()


class Meta(type):
    def __call__(cls, *args: object) -> object:
        return super().__call__(*args)


class MadeByMeta(metaclass=Meta):
    def __init__(self, *_args: object) -> None:
        leaf()


class Without:
    """No constructor of its own."""


class DictWithout(dict):  # type: ignore[type-arg]
    """A C type's constructor, inherited."""


@dataclasses.dataclass
class Data:
    number: int
    other: int = dataclasses.field(default_factory=leaf)

    def __post_init__(self) -> None:
        leaf()


Pair = namedtuple("Pair", "first second")


class Color(enum.Enum):
    RED = 1

    @classmethod
    def _missing_(cls, value: object) -> Color:
        leaf()
        return cls.RED


@way("Thing.__init__ * 3; Thing.__init__ > leaf * 3")
def types_with_init() -> None:
    Thing()
    Thing(1)
    Thing(*one)


@way("MadeByNew.__new__ * 2", on="MadeByNew.__new__ * 2; MadeByNew.__new__ > object.__new__ * 2")
def types_with_new() -> None:
    MadeByNew()
    MadeByNew(*one)


@way(
    "MadeByBoth.__new__; MadeByBoth.__new__ > leaf; MadeByBoth.__init__; MadeByBoth.__init__ > leaf",
    on="MadeByBoth.__new__; MadeByBoth.__new__ > leaf; MadeByBoth.__new__ > object.__new__;"
    "MadeByBoth.__init__; MadeByBoth.__init__ > leaf",
)
def types_with_new_and_init() -> None:
    MadeByBoth()


@way("NotMade.__new__; NotMade.__new__ > leaf")
def types_that_make_something_else() -> None:
    NotMade()


@way(
    "Meta.__call__ * 2; Meta.__call__ > MadeByMeta.__init__ * 2; MadeByMeta.__init__ > leaf * 2",
    told="Meta.__call__ * 2; Meta.__call__ > super * 2; Meta.__call__ > type.__call__ * 2;"
    "type.__call__ > MadeByMeta.__init__ * 2; MadeByMeta.__init__ > leaf * 2",
)
def types_with_a_metaclass() -> None:
    MadeByMeta()
    MadeByMeta(*one)


@way(
    "Derived.__init__; Derived.__init__ > Thing.__init__; Thing.__init__ > leaf",
    told="Derived.__init__; Derived.__init__ > super; Derived.__init__ > Thing.__init__;"
    "Thing.__init__ > leaf",
)
def types_that_call_the_base() -> None:
    Derived()


@way("")
def types_without_a_python_constructor() -> None:
    Without()
    DictWithout()
    DictWithout(a=1)


@way("", told="int; deque; list; str; object; type; range; super; struct_time")
def types_of_c() -> None:
    int("1")
    deque()
    list(one)
    str(1)
    object()
    type(thing)
    range(1)
    super(Derived, derived)
    time.struct_time(nine)


@way(
    "__init__; __init__ > leaf; __init__ > Data.__post_init__; Data.__post_init__ > leaf;__eq__",
)
def dataclasses_made_and_compared() -> None:
    Data(1)
    _ = red_data == red_data


red_data = Data(1)


@way("<lambda> * 2")
def named_tuples() -> None:
    Pair(1, 2)
    Pair(first=1, second=2)


@way(
    "EnumType.__call__ * 2; EnumType.__getitem__; Enum.__new__ > Color._missing_; Color._missing_ > leaf",
)
def enumerations() -> None:
    Color(1)
    Color["RED"]
    Color(7)


@way("leaf * 2", told="defaultdict; leaf * 2")
def default_factories() -> None:
    made: defaultdict[int, int] = defaultdict(leaf)
    _ = made[1]
    _ = made[2]
    _ = made[2]


# -- C functions -------------------------------------------------------------------------------------------

length_of_nothing: Any = types.MethodType(len, [])
append = [].append
add = (1).__add__
text = "text"


@way("", on="len * 3; abs; str.upper * 4")
def c_functions_and_methods() -> None:
    len(text)
    len(*(text,))
    len(text, *nothing)
    abs(1)
    text.upper()
    str.upper(text)
    str.upper(*(text,))
    text.upper(*nothing)


@way("", on="list.append * 2; fromkeys * 2")
def c_methods_bound_before_and_class_methods() -> None:
    append(1)
    append(*one)
    dict.fromkeys(one)
    {}.fromkeys(one)


@way("", told="int.__add__ * 4")
def method_wrappers_and_slot_wrappers() -> None:
    add(1)
    (1).__add__(2)
    int.__add__(1, 2)
    add(*one)


@way("", on="sorted; list.sort; max; min")
def c_functions_without_callbacks() -> None:
    sorted([2, 1])
    [2, 1].sort()
    max(1, 2)
    min(1, 2)


@way(
    "key * 11",
    on="sorted; sorted > key * 3; max; max > key * 2; list.sort; list.sort > key * 2; key * 4",
    told="sorted; sorted > key * 3; max; max > key * 2; list.sort; list.sort > key * 2;"
    "map; list; list > key * 2; filter; tuple; tuple > key * 2",
)
def callbacks_from_c() -> None:
    sorted([1, 2, 3], key=key)
    max([1, 2], key=key)
    [1, 2].sort(key=key)
    list(map(key, [1, 2]))
    tuple(filter(key, [1, 2]))


by_method = operator.methodcaller("method")
partial_leaf = functools.partial(leaf, 1)
partial_of_partial = functools.partial(partial_leaf, option=1)
partial_len = functools.partial(len, text)
partial_method = functools.partial(thing.method, 1)
cached = functools.lru_cache(leaf)


@way("Thing.method * 2", told="methodcaller * 3; methodcaller > Thing.method * 2")
def methodcallers() -> None:
    by_method(thing)
    operator.methodcaller("method")(thing)


@way("leaf * 3; Thing.method", told="partial * 5; partial > leaf * 3; partial > Thing.method")
def partials() -> None:
    partial_leaf()
    partial_of_partial()
    partial_leaf(*one)
    partial_len()
    partial_method()


@way(
    "leaf * 2",
    on="functools._lru_cache_wrapper.cache_clear; leaf * 2",
    told="functools._lru_cache_wrapper.cache_clear; _lru_cache_wrapper * 4; _lru_cache_wrapper > leaf * 2",
)
def cached_functions() -> None:
    cached.cache_clear()
    cached(1)
    cached(1)
    cached(2)
    cached(2)


@way(
    "<module> * 3; <module> > leaf * 2; <module> > Thing.method",
    on="exec; eval * 2; <module> > leaf * 2; <module> > Thing.method",
)
def code_that_is_executed() -> None:
    exec(leaf_code)
    eval("leaf()")
    eval("thing.method()")


leaf_code = compile("leaf()", "<made>", "exec")


# -- coroutines and generators: more in test_generators.py --------------------------------------------------


class Awaited:
    def __await__(self) -> Generator[None, None, int]:
        leaf()
        yield
        return 1


async def awaits() -> None:
    await Awaited()
    await coroutine()


async def coroutine() -> int:
    return leaf()


@way(
    "driven; driven > awaits * 2; awaits > Awaited.__await__ * 2; Awaited.__await__ > leaf;"
    "awaits > coroutine; coroutine > leaf",
    on="driven; driven > coroutine.send * 2; coroutine.send > awaits * 2; awaits > Awaited.__await__ * 2;"
    "Awaited.__await__ > leaf; awaits > coroutine; coroutine > leaf",
)
def awaiting() -> None:
    driven(awaits())


def driven(coroutine: Coroutine[None, None, object]) -> object:
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        return end.value


def numbers() -> Iterator[int]:
    leaf()
    yield 1
    yield 2


@way("numbers * 9; numbers > leaf * 3", told="numbers * 6; list; list > numbers * 3; numbers > leaf * 3")
def generators_as_iterators() -> None:
    for _ in numbers():
        pass
    _first, _second = numbers()
    list(numbers())


# -- Cython functions: gevent's ------------------------------------------------------------------------------

event = gevent.event.Event()
is_set = event.is_set
on_event: tuple[Any, ...] = (event,)


@way("", told="Event; Event.is_set * 5")
def cython_functions() -> None:
    gevent.event.Event()
    event.is_set()
    gevent.event.Event.is_set(event)
    is_set()
    gevent.event.Event.is_set(*on_event)
    gevent.event.Event.is_set(*on_event, **no_options)


def tells_of_method_objects_with_unpacked_arguments() -> bool:
    """3.12.1 does not, later versions do."""
    if not MONITORING:
        return False
    told: list[object] = []
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    monitoring.use_tool_id(2, "test")
    monitoring.register_callback(2, monitoring.events.CALL, lambda _code, _offset, each, _: told.append(each))
    monitoring.set_events(2, monitoring.events.CALL)
    is_set(*nothing)
    monitoring.set_events(2, 0)
    monitoring.free_tool_id(2)
    return is_set in told


@way("", told="Event.is_set * 3" if tells_of_method_objects_with_unpacked_arguments() else "")
def bound_cython_functions_with_unpacked_arguments() -> None:
    is_set(*nothing)
    event.is_set(**no_options)
    is_set(*nothing, **no_options)


# -- ways that fail ------------------------------------------------------------------------------------------


@failing("", told="str.upper")
def a_method_of_c_with_a_wrong_object() -> None:
    str.upper(1)  # type: ignore[arg-type]


@failing("", told="int.__add__")
def a_slot_wrapper_with_a_wrong_object() -> None:
    int.__add__("", 1)  # type: ignore[arg-type]


@failing("", on="len")
def a_c_function_with_too_many_arguments() -> None:
    len(text, 1)  # type: ignore[call-arg]


@failing("", on="len")
def a_c_function_with_too_many_unpacked_arguments() -> None:
    len(*(text, 1))  # type: ignore[call-arg]


@failing("", on="len" if KNOWS_CLASSES else "")
def a_method_object_over_a_c_function_with_bad_arguments() -> None:
    length_of_nothing(1)


@failing("")
def a_function_with_too_few_arguments() -> None:
    key()  # type: ignore[call-arg]


@failing("")
def a_function_with_an_unknown_option() -> None:
    key(*one, **options)  # type: ignore[call-arg]


@failing("")
def a_method_with_too_many_arguments() -> None:
    Thing.of_class(1)  # type: ignore[call-arg]


@failing("")
def a_constructor_with_too_many_arguments() -> None:
    Derived(1)  # type: ignore[call-arg]


@failing("")
def an_object_that_cannot_be_called() -> None:
    text()  # type: ignore[operator]


@failing("")
def an_object_that_cannot_be_called_with_unpacked_arguments() -> None:
    described(*one, **options)  # type: ignore[operator]


@failing("", told="int")
def a_type_of_c_with_a_bad_value() -> None:
    int("x")


@failing("", told="partial")
def a_partial_of_c_with_bad_arguments() -> None:
    partial_len(1)


@failing("", told="partial * 2")
def a_partial_with_bad_arguments() -> None:
    functools.partial(key, 1, 2)()  # type: ignore[call-arg]


@failing("", told="Event.is_set")
def a_cython_function_with_bad_arguments() -> None:
    event.is_set(1)


@failing("", told="Event.is_set")
def a_cython_function_without_its_object() -> None:
    gevent.event.Event.is_set()


@failing("", told="")
def a_generator_function_with_bad_arguments() -> None:
    numbers(1)  # type: ignore[call-arg]


@failing("fail", told="fail; fail > ValueError")
def a_python_function() -> None:
    fail()


@failing("fail", told="fail; fail > ValueError; KeyError")
def an_error_from_another() -> None:
    try:
        fail()
    except ValueError as error:
        raise KeyError(2) from error


@failing("fail", told="fail; fail > ValueError")
def an_error_while_another_is_handled() -> None:
    try:
        fail()
    except ValueError:
        text.missing  # type: ignore[attr-defined]  # noqa: B018


@failing("fail; leaf", told="fail; fail > ValueError; leaf; KeyError")
def an_error_in_a_finally() -> None:
    try:
        fail()
    finally:
        leaf()
        raise KeyError(1)


class Failing:
    def __init__(self) -> None:
        fail()


class FailingNew:
    def __new__(cls) -> FailingNew:
        fail()
        return object.__new__(cls)


class FailingMeta(type):
    def __call__(cls) -> None:
        fail()


class FailingByMeta(metaclass=FailingMeta):
    pass


@failing(
    "Failing.__init__; Failing.__init__ > fail",
    told="Failing.__init__; Failing.__init__ > fail; fail > ValueError",
)
def an_init() -> None:
    Failing()


@failing(
    "FailingNew.__new__; FailingNew.__new__ > fail",
    told="FailingNew.__new__; FailingNew.__new__ > fail; fail > ValueError",
)
def a_new() -> None:
    FailingNew()


@failing(
    "FailingMeta.__call__; FailingMeta.__call__ > fail",
    told="FailingMeta.__call__; FailingMeta.__call__ > fail; fail > ValueError",
)
def a_metaclass() -> None:
    FailingByMeta()


class BadInit:
    def __init__(self) -> None:
        return leaf()  # type: ignore[return-value]


@failing("BadInit.__init__; BadInit.__init__ > leaf")
def an_init_that_returns_something() -> None:
    BadInit()


@failing("fail", on="sorted; sorted > fail", told="sorted; sorted > fail; fail > ValueError")
def a_callback_of_sorted() -> None:
    sorted([1, 2], key=fail)  # type: ignore[arg-type]


@failing("fail", on="fail", told="map; list; list > fail; fail > ValueError")
def a_callback_of_map() -> None:
    list(map(fail, [1, 2]))


@failing("fail", told="partial * 2; partial > fail; fail > ValueError")
def a_function_behind_a_partial() -> None:
    functools.partial(fail, 1)()


@failing("fail", told="_lru_cache_wrapper; _lru_cache_wrapper > fail; fail > ValueError")
def a_cached_function() -> None:
    cached_failure()


cached_failure = functools.lru_cache(fail)


def interrupt(_number: int) -> int:
    raise KeyboardInterrupt("mine")


def raise_signal(_number: int) -> int:
    signal.raise_signal(signal.SIGINT)
    return leaf()


@failing(
    "interrupt",
    on="sorted; sorted > interrupt",
    told="sorted; sorted > interrupt; interrupt > KeyboardInterrupt",
)
def a_callback_that_is_interrupted() -> None:
    sorted([1, 2], key=interrupt)


@failing("raise_signal", on="sorted; sorted > raise_signal; raise_signal > raise_signal")
def a_callback_in_which_the_signal_comes() -> None:
    sorted([1, 2], key=raise_signal)


class FailingExit:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        fail()


@failing(
    "FailingExit.__enter__; FailingExit.__exit__; FailingExit.__exit__ > fail",
    told="FailingExit.__enter__; FailingExit.__exit__; FailingExit.__exit__ > fail; fail > ValueError",
)
def an_exit() -> None:
    with FailingExit():
        pass


@failing(
    "FailingExit.__enter__; leaf; FailingExit.__exit__; FailingExit.__exit__ > fail",
    told="FailingExit.__enter__; leaf; KeyError; FailingExit.__exit__; FailingExit.__exit__ > fail;"
    "fail > ValueError",
)
def an_exit_while_an_error_is_handled() -> None:
    with FailingExit():
        leaf()
        raise KeyError(1)


def failing_numbers() -> Iterator[int]:
    yield 1
    fail()


@failing(
    "failing_numbers * 2; failing_numbers > fail",
    told="failing_numbers * 2; failing_numbers > fail; fail > ValueError",
)
def a_generator() -> None:
    for _ in failing_numbers():
        pass


class FailingOperators:
    def __add__(self, other: object) -> int:
        raise ValueError("mine", other)

    def __getattr__(self, name: str) -> int:
        raise AttributeError(name)


failing_operators = FailingOperators()


@failing("FailingOperators.__add__", told="FailingOperators.__add__; FailingOperators.__add__ > ValueError")
def an_operator() -> None:
    failing_operators + 1


@failing(
    "FailingOperators.__getattr__",
    told="FailingOperators.__getattr__; FailingOperators.__getattr__ > AttributeError",
)
def an_attribute() -> None:
    failing_operators.missing  # noqa: B018


@failing(
    "<module>; <module> > fail", on="exec; <module> > fail", told="exec; <module> > fail; fail > ValueError"
)
def code_that_is_executed_and_fails() -> None:
    exec(failing_code)


failing_code = compile("fail()", "<made>", "exec")
