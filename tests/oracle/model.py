"""What a program does, and what a profile of it must say: worked out without running it.

    Machine      follows the program: threads, greenlets, generators, exceptions, references
    Recording    what is to be seen of it, by the definitions of the profile

The machine knows the rules of Python and greenlet, the recording those of facts about events. Neither asks
greenlet, the interpreter's events or the profiler anything. The machine also predicts in which order the
statements run; if that differs from what the program notes of itself, it is the machine that is wrong, and
the tree is not compared. Why not have the program keep the tree in passing? Because it would have to notice
death, finalization and switches by the same means as a profiler, and be wrong in the same places.

A greenlet of the program is a Python generator here. What it yields is a request to the scheduler: to
run another greenlet or thread. A generator of the program is one too; it yields YIELDED to whoever
resumed it, and passes requests on.

References are counted, for a greenlet or generator whose last reference goes is killed or closed there and
then: slots, calls in progress (their arguments), children (their parent), and running count.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Final

from oracle import program as p

#: Types are told of when called, and a generator that is closed before it began is not entered.
HAS_MONITORING: Final = sys.version_info >= (3, 12)
#: A generator suspended outside of any try block is closed without being entered.
CLOSES_SILENTLY: Final = sys.version_info[:2] == (3, 13)

ERROR, GREENLET_EXIT, GENERATOR_EXIT, RUNTIME_ERROR = "Error", "GreenletExit", "GeneratorExit", "RuntimeError"
YIELDED: Final = object()
IMMORTAL: Final = 10**6

Path = tuple[str, ...]
Steps = Generator[Any, Any, Any]


class Raised(Exception):
    """An exception of the program."""

    @property
    def kind(self) -> str:
        return str(self.args[0])


@dataclass
class Frame:
    """An open call. visible: the recording knows of it."""

    name: str
    is_python: bool
    visible: bool = False


@dataclass(eq=False)
class Greenlet:
    class_name: str
    thread: Thread
    function: str
    body: p.Body
    parent: Greenlet | None
    references: int = 0
    started: bool = False
    dead: bool = False
    steps: Steps | None = None
    pending: Raised | None = None
    dying: bool = False  # killed for want of references, and what it does at its end runs
    release: Greenlet | None = None  # switched away from, and no longer kept alive by running
    frames: list[Frame] = field(default_factory=list)

    @property
    def active(self) -> bool:
        return self.started and not self.dead


@dataclass(eq=False)
class Thread:
    number: int
    current: Greenlet = None  # type: ignore[assignment]
    slots: list[Greenlet | None] = field(default_factory=lambda: [None] * p.GREENLET_SLOTS)
    alive: bool = True


@dataclass(eq=False)
class GeneratorObject:
    name: str
    body: p.Body
    references: int = 0
    started: bool = False
    finished: bool = False
    running: bool = False
    steps: Steps | None = None
    protected: int = 0  # try blocks and handlers around the place where it is suspended
    held: int = 0  # exceptions that it handles there; 2 of them, or one of a finally, and its frame holds one
    inner: GeneratorObject | None = None


# -- what is to be seen ---------------------------------------------------------------------------------


@dataclass(eq=False)
class SeenGreenlet:
    class_name: str
    kind: str | None = None
    switches: int = 0
    alive: bool = True


@dataclass
class SeenThread:
    """nodes: path below the thread -> [calls, resumes]; the first step is the greenlets' class."""

    nodes: dict[Path, list[int]] = field(default_factory=dict)
    greenlets: list[SeenGreenlet] = field(default_factory=list)
    switches: int = 0
    alive: bool | None = True  # None: it ended while nothing was recorded, so nobody may have told


#: By (class, first function, switches, alive).
Greenlets = Counter[tuple[str, "str | None", int, bool]]
#: nodes: path -> (calls, resumes); greenlets; switches; alive
ThreadFacts = tuple[dict[Path, tuple[int, int]], Greenlets, int, "bool | None"]


@dataclass
class Expected:
    """A profile: its threads in no order, those in which nothing of the program ran left out."""

    threads: list[ThreadFacts]


class Recording:
    """What a profiler has to see. Told of everything, it knows what counts: only while it runs, and only
    in the threads that it records."""

    def __init__(self, builtins: bool, threads: bool, excluded: frozenset[str]) -> None:
        self.builtins = builtins
        self.excluded = excluded
        self.all_threads = threads
        self.running = False
        self.only: Thread | None = None
        self.seen: dict[Thread, SeenThread] = {}
        self.session: dict[Greenlet, SeenGreenlet] = {}
        #: All that began; and of each that was ever named what is known of it, in all sessions.
        self.begun: list[Greenlet] = []
        self.known: dict[Greenlet, SeenGreenlet] = {}
        #: Threads that had an event in this session: before that nobody can tell which greenlet they run.
        self.armed: set[Thread] = set()
        self.unnamed: dict[Thread, tuple[Greenlet, SeenGreenlet]] = {}
        #: An unnamed thread ran another greenlet in one session than in the next: they count as one.
        self.moved_unnoticed = False
        #: A session began or ended while a greenlet was dying that nothing leads to: it is not found.
        self.unfindable = False
        #: A thread that has no event cannot be asked for its greenlet: the profile takes it for the main one.
        self.another_thread_in_subclass = False
        #: Exceptions that were thrown past generators into those which they yield from, and are not back.
        #: Nothing tells of the former: who throws is the caller, but for a session that begins then.
        self.thrown_past = 0
        self.began_behind_a_throw = False

    def records(self, thread: Thread) -> bool:
        return self.running and thread.alive and (self.only is None or self.only is thread)

    def start(self, here: Thread, threads: list[Thread]) -> None:
        self.running = True
        self.began_behind_a_throw |= self.thrown_past > 0
        self.look_for_dying(here)
        self.only = None if self.all_threads else here
        self.session = {}
        self.armed = set()
        self.miss_the_dead()
        for thread in threads:
            if self.records(thread):
                in_subclass = thread.current.class_name != "greenlet"
                known = thread is here or thread.current in self.known
                self.another_thread_in_subclass |= in_subclass and not known
                self.see(thread, thread.current)
                if not known:
                    self.unnamed[thread] = thread.current, self.session[thread.current]
        self.event(here)

    def stop(self, here: Thread) -> None:
        self.look_for_dying(here)
        self.miss_the_dead()
        self.running = False

    def miss_the_dead(self) -> None:
        """All that live are looked for when a session begins and ends, in other threads too."""
        for greenlet, seen in self.known.items():
            seen.alive &= not greenlet.dead

    def look_for_dying(self, here: Thread) -> None:
        found: Greenlet | None = here.current
        dying = {greenlet for greenlet in self.begun if greenlet.dying and greenlet.active}
        while found is not None:
            dying.discard(found)
            found = found.parent
        self.unfindable |= bool(dying)

    @property
    def is_known_to_be_wrong(self) -> bool:
        """What nothing tells a profiler has happened."""
        unseen = self.moved_unnoticed or self.unfindable or self.began_behind_a_throw
        return self.another_thread_in_subclass or unseen

    def event(self, thread: Thread) -> None:
        """Whatever is told of a thread first makes its greenlets known."""
        if self.records(thread) and thread not in self.armed:
            self.armed.add(thread)
            self.unnamed.pop(thread, None)
            for greenlet in self.begun:
                if greenlet.thread is thread and greenlet.active:
                    self.known[greenlet] = self.see(thread, greenlet)

    def see(self, thread: Thread, greenlet: Greenlet) -> SeenGreenlet:
        """A greenlet's first appearance in a session: its open Python functions are taken over, without
        calls; the open built-ins are not known."""
        if greenlet not in self.session:
            there = self.seen.setdefault(thread, SeenThread())
            seen = self.seen_before(thread, greenlet) or SeenGreenlet(greenlet.class_name)
            self.session[greenlet] = seen
            if seen not in there.greenlets:
                there.greenlets.append(seen)
            if thread in self.armed:
                self.known[greenlet] = seen
            there.nodes.setdefault((greenlet.class_name,), [0, 0])
            for depth, frame in enumerate(greenlet.frames):
                frame.visible = frame.is_python and not self.excludes(frame)
                if frame.visible:
                    self.touch(thread, greenlet, depth)
        return self.session[greenlet]

    def seen_before(self, thread: Thread, greenlet: Greenlet) -> SeenGreenlet | None:
        """What an earlier session knew of it."""
        if greenlet in self.known:
            return self.known[greenlet]
        before, seen = self.unnamed.get(thread, (greenlet, None))
        if greenlet is not thread.current:
            return None
        self.moved_unnoticed |= before is not greenlet
        return seen

    def touch(self, thread: Thread, greenlet: Greenlet, depth: int) -> list[int]:
        """The numbers of the node at which the frame at `depth` is."""
        path = tuple(frame.name for frame in greenlet.frames[: depth + 1] if frame.visible)
        seen = self.session[greenlet]
        if seen.kind is None:
            seen.kind = path[0]
        return self.seen[thread].nodes.setdefault((greenlet.class_name, *path), [0, 0])

    def enter(self, greenlet: Greenlet, resumed: bool) -> None:
        """The last frame of the greenlet was just entered."""
        frame = greenlet.frames[-1]
        if frame.is_python or self.builtins:
            self.event(greenlet.thread)
        if self.records(greenlet.thread) and self.shows(greenlet):
            frame.visible = True
            self.touch(greenlet.thread, greenlet, len(greenlet.frames) - 1)[resumed] += 1

    def shows(self, greenlet: Greenlet) -> bool:
        """Whether its last frame is recorded: a built-in's is where the function is that called it."""
        python = [frame for frame in greenlet.frames if frame.is_python]
        return (greenlet.frames[-1].is_python or self.builtins) and not self.excludes(python[-1])

    def excludes(self, frame: Frame) -> bool:
        return p.stem(frame.name) in self.excluded

    def leave(self, greenlet: Greenlet, frame: Frame) -> None:
        """The last frame of the greenlet is about to be left."""
        if frame.is_python or self.builtins:
            self.event(greenlet.thread)

    def switch(self, target: Greenlet) -> None:
        if self.records(target.thread):
            seen = self.see(target.thread, target)
            seen.switches += 1
            self.seen[target.thread].switches += 1

    def end_greenlet(self, greenlet: Greenlet) -> None:
        if self.records(greenlet.thread) and greenlet in self.session:
            self.session[greenlet].alive = False

    def begin_thread(self, thread: Thread) -> None:
        if self.records(thread):
            self.armed.add(thread)
            self.see(thread, thread.current)

    def end_thread(self, thread: Thread) -> None:
        """With a thread all its greenlets end."""
        if self.records(thread):
            for greenlet, seen in self.session.items():
                if greenlet.thread is thread:
                    seen.alive = False
        if thread in self.seen:
            self.seen[thread].alive = False if self.records(thread) else None

    @staticmethod
    def facts(seen: SeenThread) -> ThreadFacts:
        nodes = {path: (calls, resumes) for path, (calls, resumes) in seen.nodes.items()}
        greenlets = Counter(
            (each.class_name, each.kind, each.switches, each.alive) for each in seen.greenlets
        )
        return nodes, greenlets, seen.switches, seen.alive

    def expected(self) -> Expected:
        return Expected([self.facts(seen) for seen in self.seen.values()])


# -- what happens ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ToGreenlet:
    target: Greenlet
    thrown: Raised | None = None


@dataclass(frozen=True)
class ToThread:
    thread: Thread


@dataclass
class Context:
    """Where a statement stands: in which generator, within how many protected regions of it. held: of those
    that handle an exception, one for each except, two for each finally, which keeps it to raise it again."""

    generator: GeneratorObject | None = None
    protected: int = 0
    held: int = 0

    def inside(self, held: int = 0) -> Context:
        return Context(self.generator, self.protected + 1, self.held + held)

    def suspend(self) -> None:
        """The generator is left here for now."""
        assert self.generator is not None
        self.generator.protected = self.protected
        self.generator.held = self.held


class Machine:
    """Follows one program. `log` and `expected` are what it predicts."""

    def __init__(
        self,
        program: p.Program,
        builtins: bool,
        threads: bool = True,
        excluded: frozenset[str] = frozenset(),
    ) -> None:
        self.program = program
        self.numbers = p.number_statements(program)
        self.recording = Recording(builtins, threads, excluded)
        self.fuel = p.FUEL
        self.log: list[int] = []
        self.expected: list[Expected] = []
        self.generators: list[GeneratorObject | None] = [None] * p.GENERATOR_SLOTS
        self.threads: list[Thread] = []
        self.kept: list[Steps] = []  # what is never run again must not be closed before the end
        self.thread = self.new_thread(self.main())
        self.over = False

    # -- threads and the scheduler ----------------------------------------------------------------------

    def new_thread(self, steps: Steps) -> Thread:
        thread = Thread(len(self.threads))
        name = f"t{thread.number}" if thread.number else "main"
        main = Greenlet("greenlet", thread, name, (), None, references=IMMORTAL, started=True, steps=steps)
        thread.current = main
        self.threads.append(thread)
        self.recording.begun.append(main)
        self.recording.begin_thread(thread)
        return thread

    @property
    def current(self) -> Greenlet:
        return self.thread.current

    def run(self) -> None:
        """To the end of the program."""
        while not self.over:
            greenlet = self.current
            thrown, greenlet.pending = greenlet.pending, None
            assert greenlet.steps is not None
            try:
                request = greenlet.steps.throw(thrown) if thrown else greenlet.steps.send(None)
            except StopIteration:
                self.finish(greenlet, None)
            except Raised as raised:
                self.finish(greenlet, raised)
            else:
                if isinstance(request, ToThread):
                    self.thread = request.thread
                else:
                    self.switch(request.target, request.thrown)

    def finish(self, greenlet: Greenlet, raised: Raised | None) -> None:
        """The greenlet's function is over."""
        if greenlet.parent is None:
            greenlet.dead = True
            self.recording.end_thread(greenlet.thread)
            greenlet.thread.alive = False
            self.thread = self.threads[0]
        else:
            self.die(greenlet, raised)

    def die(self, greenlet: Greenlet, raised: Raised | None) -> None:
        greenlet.dead = True
        if raised is not None and raised.kind == GREENLET_EXIT:
            raised = None
        assert greenlet.parent is not None
        self.switch(greenlet.parent, raised)
        self.recording.end_greenlet(greenlet)

    def switch(self, target: Greenlet, thrown: Raised | None) -> None:
        """To the target, or, if it is dead, to the first of its ancestors that is not."""
        if target.dead and thrown is not None and thrown.kind == GREENLET_EXIT:
            thrown = None
        while target.dead:
            assert target.parent is not None
            target = target.parent
        origin = self.current
        if target is origin:
            origin.pending = thrown
            return
        target.references += 1
        target.release = origin
        target.pending = None if not target.started else thrown
        if not target.started:
            target.started = True
            target.steps = self.outermost(target, thrown)
            self.kept.append(target.steps)
            self.recording.begun.append(target)
        self.recording.switch(target)
        self.thread.current = target

    def outermost(self, greenlet: Greenlet, thrown: Raised | None) -> Steps:
        yield from self.arrive()
        if thrown is not None:
            raise thrown
        yield from self.function(greenlet.function, greenlet.body)

    def request(self, request: ToGreenlet | ToThread) -> Steps:
        """Control is elsewhere until it comes back here."""
        try:
            yield request
        except Raised:
            yield from self.arrive()
            raise
        yield from self.arrive()

    def arrive(self) -> Steps:
        origin, self.current.release = self.current.release, None
        if origin is not None:
            yield from self.drop_greenlet(origin)

    # -- references -------------------------------------------------------------------------------------

    def drop_greenlet(self, greenlet: Greenlet | None) -> Steps:
        """One reference less. A suspended greenlet without any is killed."""
        if greenlet is None:
            return
        greenlet.references -= 1
        if greenlet.references > 0:
            return
        if greenlet.active:
            yield from self.kill(greenlet)
            if greenlet.references > 0:
                return
        greenlet.references = -IMMORTAL
        parent, greenlet.parent = greenlet.parent, None
        yield from self.drop_greenlet(parent)

    def kill(self, greenlet: Greenlet) -> Steps:
        """Throws GreenletExit into it, with the current greenlet for a parent meanwhile."""
        parent, greenlet.parent = greenlet.parent, self.current
        self.current.references += 1
        greenlet.references = 1
        greenlet.dying = True
        try:
            yield from self.request(ToGreenlet(greenlet, Raised(GREENLET_EXIT)))
        except Raised:
            pass  # nobody could catch it there
        greenlet.dying = False
        temporary, greenlet.parent = greenlet.parent, parent
        if greenlet.active and greenlet.references == 1:
            greenlet.references = IMMORTAL
        greenlet.references -= 1
        yield from self.drop_greenlet(temporary)

    def drop_generator(self, generator: GeneratorObject | None) -> Steps:
        if generator is None:
            return
        generator.references -= 1
        if generator.references == 0 and not generator.finished:
            generator.references = 1
            try:
                yield from self.close(generator)
            except Raised:
                pass  # nobody could catch it there
            generator.references -= 1
            if generator.references == 0:
                # It may have yielded again; then what it holds goes without its having a say, unless its
                # frame holds an exception, of whose traceback it is a part: that waits for the collector.
                generator.finished = True
                inner, generator.inner = generator.inner, None
                if generator.held < 2:
                    yield from self.drop_generator(inner)

    # -- calls ------------------------------------------------------------------------------------------

    def push(self, name: str, is_python: bool, resumed: bool = False) -> Frame:
        frame = Frame(name, is_python)
        self.current.frames.append(frame)
        self.recording.enter(self.current, resumed)
        return frame

    def pop(self, frame: Frame) -> None:
        if self.over:
            return
        self.recording.leave(self.current, frame)
        last = self.current.frames.pop()
        assert last is frame

    def function(self, name: str, body: p.Body | None) -> Steps:
        frame = self.push(name, True)
        try:
            if body is not None:
                yield from self.burning_fuel(body, Context())
        finally:
            self.pop(frame)

    def burning_fuel(self, body: p.Body, context: Context) -> Steps:
        self.fuel -= 1
        if self.fuel >= 0:
            yield from self.body(body, context)

    def builtin(self, name: str, steps: Steps | None = None) -> Steps:
        frame = self.push(name, False)
        try:
            if steps is not None:
                return (yield from steps)
        finally:
            self.pop(frame)

    def type(self, name: str, steps: Steps | None = None) -> Steps:
        """Types are called like built-ins, where that is told."""
        if HAS_MONITORING:
            yield from self.builtin(name, steps)
        elif steps is not None:
            yield from steps

    def user(self, number: int, suffix: str) -> Steps:
        return self.function(f"f{number}{suffix}", self.program.functions[number])

    # -- generators -------------------------------------------------------------------------------------

    def enter_generator(self, generator: GeneratorObject, thrown: Raised | None) -> Steps:
        """Its frame runs until it yields (True) or is over (False, or an exception)."""
        began = generator.started
        if not began:
            generator.started = True
            generator.steps = self.generator_body(generator)
            self.kept.append(generator.steps)
            if thrown is None:
                generator.steps.send(None)
        # Who throws into one that has not begun resumes it, if the interpreter says which event it is.
        frame = self.push(generator.name, True, resumed=began or (thrown is not None and HAS_MONITORING))
        generator.running = True
        assert generator.steps is not None
        try:
            item = generator.steps.throw(thrown) if thrown else generator.steps.send(None)
            while item is not YIELDED:
                try:
                    yield item
                except Raised as raised:
                    item = generator.steps.throw(raised)
                else:
                    item = generator.steps.send(None)
            return True
        except StopIteration:
            generator.finished = True
            return False
        except Raised:
            generator.finished = True
            raise
        finally:
            generator.running = False
            self.pop(frame)

    def generator_body(self, generator: GeneratorObject) -> Steps:
        yield YIELDED  # made, but not begun
        yield from self.burning_fuel(generator.body, Context(generator))

    def resume(self, generator: GeneratorObject, thrown: Raised | None = None) -> Steps:
        """True if it yields. What is thrown goes to the innermost generator first, past the others."""
        if generator.finished:
            if thrown is not None:
                raise thrown
            return False
        if generator.inner is not None and thrown is not None:
            generator.running = True
            self.recording.thrown_past += 1
            try:
                if (yield from self.resume(generator.inner, thrown)):
                    generator.running = False
                    return True
                thrown = None
            except Raised as raised:
                thrown = raised
            finally:
                self.recording.thrown_past -= 1
            generator.running = False
        return (yield from self.enter_generator(generator, thrown))

    def close(self, generator: GeneratorObject) -> Steps:
        if generator.finished:
            return
        if not generator.started and HAS_MONITORING:
            generator.finished = True
            return
        thrown = Raised(GENERATOR_EXIT)
        if generator.inner is not None:
            generator.running = True
            try:
                yield from self.close(generator.inner)
            except Raised as raised:
                thrown = raised
            generator.running = False
        elif generator.started and CLOSES_SILENTLY and generator.protected == 0:
            generator.finished = True
            return
        try:
            yielded = yield from self.enter_generator(generator, thrown)
        except Raised as raised:
            if raised.kind != GENERATOR_EXIT:
                raise
        else:
            if yielded:
                raise Raised(RUNTIME_ERROR)

    # -- statements -------------------------------------------------------------------------------------

    def body(self, body: p.Body, context: Context) -> Steps:
        """True if the function is to return."""
        for statement in body:
            self.log.append(self.numbers[id(statement)])
            follow = getattr(self, "do_" + type(statement).__name__.lower())
            if (yield from follow(statement, context)):
                return True
        return False

    def do_call(self, it: p.Call, _context: Context) -> Steps:
        call = self.user
        number = it.function
        if it.how in ("plain", "star"):
            yield from call(number, "")
        elif it.how == "property":
            yield from call(number, "_1")
        elif it.how in ("add", "item"):
            yield from call(number, "_2")
        elif it.how == "with":
            yield from call(number, "_1")
            yield from call(number, "_4")
        elif it.how == "sorted":
            yield from self.builtin("sorted", call(number, "_1"))
        elif it.how == "reduce":
            yield from self.builtin("reduce", call(number, "_2"))
        elif it.how == "map":
            yield from self.type("map")
            yield from self.type("list", call(number, "_1"))
        else:
            try:
                yield from call(number, "_1")
            except Raised:
                pass  # nobody could catch it there

    def do_raise(self, _it: p.Raise, _context: Context) -> Steps:
        raise Raised(ERROR)
        yield

    def do_return(self, _it: p.Return, _context: Context) -> Steps:
        return True
        yield

    def do_try(self, it: p.Try, context: Context) -> Steps:
        try:
            return (yield from self.body(it.body, context.inside()))
        except Raised as raised:
            if not it.everything and raised.kind != ERROR:
                raise
        return (yield from self.body(it.handler, context.inside(held=1)))

    def do_finally(self, it: p.Finally, context: Context) -> Steps:
        try:
            returns = yield from self.body(it.body, context.inside())
        except Raised:
            if (yield from self.body(it.final, context.inside(held=2))):
                return True
            raise
        return (yield from self.body(it.final, context)) or returns

    def do_loop(self, it: p.Loop, context: Context) -> Steps:
        for _ in range(it.times):
            if self.fuel < 0:
                break
            if (yield from self.body(it.body, context)):
                return True
        return False

    def do_spawn(self, it: p.Spawn, _context: Context) -> Steps:
        slots = self.thread.slots
        parent = self.current if it.parent is None else slots[it.parent]
        if parent is None:
            return
        if not it.subclass:
            yield from self.type("greenlet")
        body = self.program.functions[it.function]
        class_name = "Worker" if it.subclass else "greenlet"
        parent.references += 1
        made = Greenlet(class_name, self.thread, f"f{it.function}_g", body, parent, references=2)
        before, slots[it.slot] = slots[it.slot], made
        yield from self.drop_greenlet(before)
        yield from self.drop_greenlet(made)

    def do_switch(self, it: p.Switch, _context: Context) -> Steps:
        target = self.thread.slots[it.slot]
        if target is not None:
            yield from self.switching("greenlet.switch", target, None)

    def do_throw(self, it: p.Throw, _context: Context) -> Steps:
        target = self.thread.slots[it.slot]
        if target is not None:
            yield from self.switching("greenlet.throw", target, Raised(GREENLET_EXIT if it.exits else ERROR))

    def switching(self, name: str, target: Greenlet, thrown: Raised | None) -> Steps:
        target.references += 1
        try:
            yield from self.builtin(name, self.request(ToGreenlet(target, thrown)))
        except Raised:
            yield from self.drop_greenlet(target)
            raise
        yield from self.drop_greenlet(target)

    def do_drop(self, it: p.Drop, _context: Context) -> Steps:
        slots = self.thread.slots
        before, slots[it.slot] = slots[it.slot], None
        yield from self.drop_greenlet(before)

    def do_make(self, it: p.Make, _context: Context) -> Steps:
        made = GeneratorObject(f"g{it.generator}", self.program.generators[it.generator], references=2)
        before, self.generators[it.slot] = self.generators[it.slot], made
        yield from self.drop_generator(before)
        yield from self.drop_generator(made)

    def idle(self, slot: int) -> GeneratorObject | None:
        generator = self.generators[slot]
        return None if generator is None or generator.running else generator

    def holding(self, generator: GeneratorObject, steps: Steps) -> Steps:
        generator.references += 1
        try:
            yield from steps
        except Raised:
            yield from self.drop_generator(generator)
            raise
        yield from self.drop_generator(generator)

    def do_next(self, it: p.Next, _context: Context) -> Steps:
        generator = self.idle(it.slot)
        if generator is not None:
            steps = self.resume(generator)
            yield from self.holding(generator, self.builtin("next", steps) if it.builtin else steps)

    def do_close(self, it: p.Close, _context: Context) -> Steps:
        generator = self.idle(it.slot)
        if generator is not None:
            yield from self.holding(generator, self.builtin("generator.close", self.close(generator)))

    def do_throwin(self, it: p.ThrowIn, _context: Context) -> Steps:
        generator = self.idle(it.slot)
        if generator is not None:
            steps = self.resume(generator, Raised(ERROR))
            yield from self.holding(generator, self.builtin("generator.throw", steps))

    def do_forget(self, it: p.Forget, _context: Context) -> Steps:
        before, self.generators[it.slot] = self.generators[it.slot], None
        yield from self.drop_generator(before)

    def do_yield(self, _it: p.Yield, context: Context) -> Steps:
        context.suspend()
        yield YIELDED

    def do_yieldfrom(self, it: p.YieldFrom, context: Context) -> Steps:
        generator = context.generator
        assert generator is not None
        inner = GeneratorObject(f"g{it.generator}", self.program.generators[it.generator], references=1)
        try:
            while not inner.finished and (yield from self.resume(inner)):
                generator.inner = inner
                context.suspend()
                yield YIELDED
                generator.inner = None
        except Raised:
            generator.inner = None
            yield from self.drop_generator(inner)
            raise

    # -- threads ----------------------------------------------------------------------------------------

    def hand_to(self, thread: Thread) -> Steps:
        yield from self.builtin("lock.release")
        yield from self.wait_for(thread)

    def wait_for(self, thread: Thread) -> Steps:
        """The first event of a thread that was there at the start must come before its first switch, so
        without built-ins there is a call."""
        yield from self.builtin("lock.acquire", self.request(ToThread(thread)))
        if not self.recording.builtins:
            yield from self.function("touch", None)

    def do_newthread(self, it: p.NewThread, _context: Context) -> Steps:
        if len(self.threads) <= p.MORE_THREADS:
            yield from self.builtin("start_new_thread")
            thread = self.new_thread(self.outermost_of_thread(len(self.threads), it.function))
            yield from self.wait_for(thread)

    def do_hand(self, it: p.Hand, _context: Context) -> Steps:
        if it.thread < len(self.threads):
            thread = self.threads[it.thread]
            if thread.alive and thread is not self.thread:
                yield from self.hand_to(thread)

    def outermost_of_thread(self, number: int, function: int) -> Steps:
        frame = self.push(f"t{number}", True)
        yield from self.prologue(self.user(function, ""))
        yield from self.builtin("lock.release")
        self.pop(frame)

    def prologue(self, steps: Steps) -> Steps:
        yield from self.builtin("getcurrent")
        self.thread.slots[0] = self.current
        try:
            yield from steps
        except Raised:
            pass

    def main(self) -> Steps:
        self.push("main", True)
        yield from self.prologue(self.user(0, ""))
        for number in range(1, p.MORE_THREADS + 1):
            while number < len(self.threads) and self.threads[number].alive:
                yield from self.hand_to(self.threads[number])
        self.recording.stop(self.thread)
        self.recording.end_thread(self.thread)
        self.expected.append(self.recording.expected())
        self.over = True
        yield ToThread(self.thread)

    # -- the profiler -----------------------------------------------------------------------------------

    def do_start(self, _it: p.Start, _context: Context) -> Steps:
        if not self.recording.running:
            self.recording.start(self.thread, self.threads)
        return False
        yield

    def do_stop(self, _it: p.Stop, _context: Context) -> Steps:
        if self.recording.running:
            self.recording.stop(self.thread)
        return False
        yield

    def do_snapshot(self, _it: p.Snapshot, _context: Context) -> Steps:
        yield from self.builtin("Recorder.snapshot", self.take_snapshot())

    def take_snapshot(self) -> Steps:
        self.expected.append(self.recording.expected())
        return
        yield


def predict(
    program: p.Program, builtins: bool, threads: bool = True, excluded: frozenset[str] = frozenset()
) -> Machine:
    """The machine after the program's end. excluded: stems of the functions that are filtered out."""
    machine = Machine(program, builtins, threads, excluded)
    machine.run()
    return machine
