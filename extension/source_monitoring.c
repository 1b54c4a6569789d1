/* source_monitoring.c -- events of CPython 3.12 and later, from sys.monitoring (PEP 669).
 *
 * The callbacks are objects with a vectorcall: the interpreter reaches the C function directly. Calls are
 * told by CALL before they begin, Python functions by PY_START once they have; a CALL of a Python function
 * is therefore passed over here.
 *
 * Code that the filters exclude is disabled at its first events, one place in it after another; a place may be
 * disabled for good, for what is excluded is a whole code object. That an exception leaves it, or is thrown into
 * it, is told again each time: these events cannot be disabled.
 *
 * From 3.13 on anyone can tell of events, of code that is no Python code: those have no frame, and are passed
 * over. */
#include "callables.h"
#include "suspended.h"
#include "tracer.h"

#if COMPAT_HAS_MONITORING

/* The function begins a line of the processor's cache: where it begins in the middle of one, as a build may happen to
 * place it, an event takes up to half a ns longer. */
#define AT_EVERY_EVENT __attribute__((aligned(64)))

/* What the interpreter hands over: code, offset, and, for calls, the callable. */
enum { ARGUMENT_CODE = 0, ARGUMENT_CALLABLE = 2 };

static inline struct tracer *
tracer_of(PyObject *self)
{
    return ((struct callback *)self)->tracer_owned;
}

static inline bool
is_of_code(PyObject *const *args)
{
    return PyCode_Check(args[ARGUMENT_CODE]);
}

static struct local_events
local_events_of(const struct tracer *tracer, int toggled, int kept)
{
    return (struct local_events){tracer->state->monitoring_owned, tracer->monitoring.tool_id, toggled, kept};
}

/* Without memory it is asked for again when the code is entered next. */
static void
ask_for_unwind(struct tracer *tracer, struct thread *thread, PyCodeObject *code)
{
    struct local_events local = local_events_of(tracer, 0, tracer->monitoring.seen_code_events);
    if (local_events_set(&local, (PyObject *)code, local.kept) < 0) {
        PyErr_Clear();
    }
    tracer_charge_own(tracer, thread);
}

/* PY_UNWIND of code that was entered for the first time in this session, where it is not of all code. */
static inline void
hear_unwind(struct tracer *tracer, struct thread *thread, PyCodeObject *code)
{
    if (__builtin_expect(!compat_code_has_unwind(code, tracer->monitoring.tool_id), 0)) {
        ask_for_unwind(tracer, thread, code);
    }
}

static PyObject *
disable(const struct tracer *tracer)
{
    return Py_NewRef(tracer->state->disable_owned);
}

/* The frame that runs, where that is sure to be the event's, and the event one of Python code; else NULL. */
static inline compat_frame *
frame_at_hand(PyObject *self, PyObject *const *args)
{
    compat_frame *frame = tracer_current_frame(tracer_of(self));
    return frame != NULL && __builtin_expect(compat_frame_runs(frame, args[ARGUMENT_CODE]), 1) ? frame : NULL;
}

/* Each event is first tried to be recorded straight away. Where that fails it is recorded by these. */

static __attribute__((noinline)) PyObject *
enter_anyhow(PyObject *self, PyObject *const *args, bool resumed, bool may_disable)
{
    if (!is_of_code(args)) {
        Py_RETURN_NONE;
    }
    struct tracer *tracer = tracer_of(self);
    PyCodeObject *code = (PyCodeObject *)args[ARGUMENT_CODE];
    PyThreadState *tstate = compat_thread_state();
    compat_frame *frame = compat_current_frame(tstate);
    struct thread *thread = tracer_thread(tracer, tstate, frame);
    if (thread != NULL) {
        if (__builtin_expect(!tracer_enter(tracer, thread, code, frame, resumed), 0)) {
            return may_disable ? disable(tracer) : Py_NewRef(Py_None);
        }
        hear_unwind(tracer, thread, code);
    }
    Py_RETURN_NONE;
}

static inline PyObject *
enter(PyObject *self, PyObject *const *args, bool resumed, bool may_disable)
{
    struct tracer *tracer = tracer_of(self);
    const PyCodeObject *code = (const PyCodeObject *)args[ARGUMENT_CODE];
    compat_frame *frame = frame_at_hand(self, args);
    if (frame != NULL && compat_code_has_unwind(code, tracer->monitoring.tool_id) &&
        __builtin_expect(tracer_try_enter(tracer, code, frame, resumed), 1)) {
        Py_RETURN_NONE;
    }
    return enter_anyhow(self, args, resumed, may_disable);
}

static AT_EVERY_EVENT PyObject *
on_start(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)nargsf;
    (void)kwnames;
    return enter(self, args, false, true);
}

static PyObject *
on_resume(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)nargsf;
    (void)kwnames;
    return enter(self, args, true, true);
}

static PyObject *
on_throw(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)nargsf;
    (void)kwnames;
    return enter(self, args, true, false);
}

static __attribute__((noinline)) PyObject *
leave_anyhow(PyObject *self, PyObject *const *args, bool may_disable)
{
    if (!is_of_code(args)) {
        Py_RETURN_NONE;
    }
    struct tracer *tracer = tracer_of(self);
    PyCodeObject *code = (PyCodeObject *)args[ARGUMENT_CODE];
    PyThreadState *tstate = compat_thread_state();
    struct thread *thread = tracer_thread(tracer, tstate, NULL);
    if (thread != NULL && !tracer_leave(tracer, thread, code, compat_current_frame(tstate)) && may_disable) {
        return disable(tracer);
    }
    Py_RETURN_NONE;
}

static inline PyObject *
leave(PyObject *self, PyObject *const *args, bool may_disable)
{
    compat_frame *frame = frame_at_hand(self, args);
    if (frame != NULL && __builtin_expect(tracer_try_leave(tracer_of(self), frame), 1)) {
        Py_RETURN_NONE;
    }
    return leave_anyhow(self, args, may_disable);
}

/* PY_RETURN and PY_YIELD alike: the frame is left. */
static AT_EVERY_EVENT PyObject *
on_leave(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)nargsf;
    (void)kwnames;
    return leave(self, args, true);
}

static PyObject *
on_unwind(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)nargsf;
    (void)kwnames;
    return leave(self, args, false);
}

/* Python code will do the work, and tells of itself: unless the caller is excluded nothing is to be done. */
static bool
is_call_by_excluded(struct tracer *tracer, PyCodeObject *code)
{
    PyThreadState *tstate = compat_thread_state();
    compat_frame *frame = compat_current_frame(tstate);
    struct thread *thread = tracer_thread(tracer, tstate, NULL);
    return thread != NULL && !recorder_is_on_top(thread, (uintptr_t)frame) &&
           tracer_is_excluded(tracer, thread, code, frame);
}

static __attribute__((noinline)) PyObject *
call_anyhow(PyObject *self, PyObject *const *args)
{
    struct tracer *tracer = tracer_of(self);
    PyCodeObject *code = (PyCodeObject *)args[ARGUMENT_CODE];
    PyObject *callable = args[ARGUMENT_CALLABLE];
    const void *key = callable_key(tracer->state, callable);
    bool is_excluded = false;
    if (!is_of_code(args)) {
        Py_RETURN_NONE;
    }
    if (key == NULL) {
        is_excluded = functions_are_filtered(&tracer->functions) && is_call_by_excluded(tracer, code);
    } else {
        PyThreadState *tstate = compat_thread_state();
        struct thread *thread = tracer_thread(tracer, tstate, NULL);
        compat_frame *frame = compat_current_frame(tstate);
        is_excluded = thread != NULL && !tracer_enter_c(tracer, thread, key, callable, code, frame);
    }
    return is_excluded ? disable(tracer) : Py_NewRef(Py_None);
}

/* Of a Python function there is nothing to record: unless filters want to know who calls it. */
static AT_EVERY_EVENT PyObject *
on_call(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)nargsf;
    (void)kwnames;
    struct tracer *tracer = tracer_of(self);
    PyObject *callable = args[ARGUMENT_CALLABLE];
    if (PyFunction_Check(callable) && !functions_are_filtered(&tracer->functions)) {
        Py_RETURN_NONE;
    }
    const void *key = callable_key_at_hand(tracer->state, callable);
    compat_frame *frame = frame_at_hand(self, args);
    if (key != NULL && frame != NULL && __builtin_expect(tracer_try_enter_c(tracer, key, frame), 1)) {
        Py_RETURN_NONE;
    }
    return call_anyhow(self, args);
}

static __attribute__((noinline)) PyObject *
c_leave_anyhow(PyObject *self, PyObject *const *args)
{
    if (!is_of_code(args)) {
        Py_RETURN_NONE;
    }
    struct tracer *tracer = tracer_of(self);
    PyThreadState *tstate = compat_thread_state();
    struct thread *thread = tracer_thread(tracer, tstate, NULL);
    if (thread != NULL) {
        PyCodeObject *code = (PyCodeObject *)args[ARGUMENT_CODE];
        (void)tracer_leave_c(tracer, thread, code, compat_current_frame(tstate));
    }
    Py_RETURN_NONE;
}

/* C_RETURN and C_RAISE alike. */
static AT_EVERY_EVENT PyObject *
on_c_leave(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)nargsf;
    (void)kwnames;
    compat_frame *frame = frame_at_hand(self, args);
    if (frame != NULL && __builtin_expect(tracer_try_leave_c(tracer_of(self), frame), 1)) {
        Py_RETURN_NONE;
    }
    return c_leave_anyhow(self, args);
}

/* Where built-ins are recorded the interpreter calls this one function at each event. If it called one for each kind,
 * the processor would have to guess where an indirect call goes, and be wrong often in a program with much code: a
 * request of a gevent server took 2 us longer. These comparisons it guesses better. */
static AT_EVERY_EVENT PyObject *
on_event(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    vectorcallfunc handler = ((struct callback *)self)->handler;
    if (handler == on_start) {
        return on_start(self, args, nargsf, kwnames);
    }
    if (handler == on_leave) {
        return on_leave(self, args, nargsf, kwnames);
    }
    if (handler == on_call) {
        return on_call(self, args, nargsf, kwnames);
    }
    return handler == on_c_leave ? on_c_leave(self, args, nargsf, kwnames)
                                 : handler(self, args, nargsf, kwnames);
}

/* -- registration -------------------------------------------------------------------------------- */

enum reach {
    OF_ALL_CODE,  /* to be asked for by set_events() */
    OF_SEEN_CODE, /* by set_local_events(), of code on stacks and code that is entered */
    WITH_CALL,    /* comes with CALL */
};

struct event {
    const char *name;
    vectorcallfunc handler;
    bool of_builtins;
    enum reach reach;
};

static const struct event events[] = {
    {"PY_START", on_start, false, OF_ALL_CODE},
    {"PY_RESUME", on_resume, false, OF_ALL_CODE},
    {"PY_THROW", on_throw, false, OF_ALL_CODE},
    {"PY_RETURN", on_leave, false, OF_ALL_CODE},
    {"PY_YIELD", on_leave, false, OF_ALL_CODE},
    {"PY_UNWIND", on_unwind, false, COMPAT_UNWIND_IS_LOCAL ? OF_SEEN_CODE : OF_ALL_CODE},
    {"CALL", on_call, true, OF_ALL_CODE},
    {"C_RETURN", on_c_leave, true, WITH_CALL},
    {"C_RAISE", on_c_leave, true, WITH_CALL},
};
enum { EVENTS = sizeof events / sizeof events[0] };

/* Ids that the interpreter does not keep for debuggers, coverage tools and its optimizer: 3 and 4 for anyone,
 * and 2, which cProfile needs: a program that profiles a part of itself goes on doing so. */
static const int tool_ids[] = {3, 4, 2};
enum { TOOL_IDS = sizeof tool_ids / sizeof tool_ids[0] };

/* -1 and an exception. */
static int
event_bit(PyObject *names, const char *name)
{
    PyObject *bit_owned = PyObject_GetAttrString(names, name);
    long bit = bit_owned != NULL ? PyLong_AsLong(bit_owned) : -1;
    Py_XDECREF(bit_owned);
    return (int)bit;
}

/* All that needs memory and can be had now: stopping must not fail for want of it. JUMP is an event that we
 * never ask for otherwise. */
int
source_learn(struct module_state *state)
{
    state->monitoring_owned = Py_XNewRef(PySys_GetObject("monitoring"));
    PyObject *names_owned =
        state->monitoring_owned != NULL ? PyObject_GetAttrString(state->monitoring_owned, "events") : NULL;
    if (names_owned == NULL) {
        PyErr_SetString(PyExc_ImportError, "sys.monitoring is missing");
        return -1;
    }
    state->disable_owned = PyObject_GetAttrString(state->monitoring_owned, "DISABLE");
    state->any_event_bit = event_bit(names_owned, "JUMP");
    for (int index = 0; index < EVENTS; index++) {
        state->event_bits[index] = event_bit(names_owned, events[index].name);
    }
    Py_DECREF(names_owned);
    return PyErr_Occurred() ? -1 : 0;
}

/* 0, or -1 and an exception. */
static int
discard(PyObject *result_owned)
{
    Py_XDECREF(result_owned);
    return result_owned != NULL ? 0 : -1;
}

static int
take_tool_id(struct tracer *tracer, PyObject *monitoring)
{
    for (int index = 0; index < TOOL_IDS; index++) {
        int id = tool_ids[index];
        if (discard(PyObject_CallMethod(monitoring, "use_tool_id", "is", id, "greenletprofiler")) == 0) {
            tracer->monitoring.tool_id = id;
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        PyErr_Clear();
    }
    PyErr_SetString(tracer->state->tool_ids_taken_owned, "sys.monitoring tool ids 2, 3 and 4 are in use");
    return -1;
}

static int
register_event(struct tracer *tracer, PyObject *monitoring, int index)
{
    vectorcallfunc handler = events[index].handler;
    vectorcallfunc called = tracer->records_builtins ? on_event : handler;
    PyObject *callback_owned = callback_new(tracer, called, handler);
    if (callback_owned == NULL) {
        return -1;
    }
    return discard(PyObject_CallMethod(monitoring, "register_callback", "iiN", tracer->monitoring.tool_id,
                                       tracer->state->event_bits[index], callback_owned));
}

static int
set_events(const struct tracer *tracer, PyObject *monitoring, int mask)
{
    return discard(PyObject_CallMethod(monitoring, "set_events", "ii", tracer->monitoring.tool_id, mask));
}

/* What is disabled outlives events that are turned off, and tool ids that are freed: it would be missing for the
 * next owner of the id, as what another tool left behind for us. */
static int
enable_all(PyObject *monitoring)
{
    return discard(PyObject_CallMethod(monitoring, "restart_events", NULL));
}

static void
refresh_suspended(struct tracer *tracer, PyObject *greenlets, int kept)
{
    struct local_events local = local_events_of(tracer, tracer->state->any_event_bit, kept);
    tracer->counters.unreached_greenlets += suspended_refresh(tracer->state, greenlets, &local);
}

static int
register_events(struct tracer *tracer, PyObject *greenlets, PyObject *monitoring)
{
    int masks[] = {[OF_ALL_CODE] = 0, [OF_SEEN_CODE] = 0, [WITH_CALL] = 0};
    for (int index = 0; index < EVENTS; index++) {
        const struct event *event = &events[index];
        if (event->of_builtins && !tracer->records_builtins) {
            continue;
        }
        if (register_event(tracer, monitoring, index) < 0) {
            return -1;
        }
        masks[event->reach] |= tracer->state->event_bits[index];
    }
    tracer->monitoring.seen_code_events = masks[OF_SEEN_CODE];
    if (set_events(tracer, monitoring, masks[OF_ALL_CODE]) < 0 || enable_all(monitoring) < 0) {
        return -1;
    }
    refresh_suspended(tracer, greenlets, masks[OF_SEEN_CODE]);
    return 0;
}

static void
unregister_events(struct tracer *tracer, PyObject *greenlets, PyObject *monitoring)
{
    int id = tracer->monitoring.tool_id;
    (void)set_events(tracer, monitoring, 0);
    if (functions_are_filtered(&tracer->functions)) {
        (void)enable_all(monitoring);
    }
    refresh_suspended(tracer, greenlets, 0); /* or their events would reach the next owner of the id */
    for (int index = 0; index < EVENTS; index++) {
        int bit = tracer->state->event_bits[index];
        (void)discard(PyObject_CallMethod(monitoring, "register_callback", "iiO", id, bit, Py_None));
    }
    if (discard(PyObject_CallMethod(monitoring, "free_tool_id", "i", id)) == 0) {
        tracer->monitoring.tool_id = -1;
    }
}

int
source_start(struct tracer *tracer, PyObject *greenlets)
{
    PyObject *monitoring = tracer->state->monitoring_owned;
    source_stop(tracer, greenlets); /* an earlier session may have found no memory to end */
    if (take_tool_id(tracer, monitoring) < 0) {
        return -1;
    }
    return register_events(tracer, greenlets, monitoring);
}

void
source_stop(struct tracer *tracer, PyObject *greenlets)
{
    if (tracer->monitoring.tool_id >= 0) {
        unregister_events(tracer, greenlets, tracer->state->monitoring_owned);
    }
    PyErr_Clear();
}

void
source_notice_threads(struct tracer *tracer)
{
    (void)tracer; /* events come from all threads, new ones too */
}

void
source_notice_replacement(struct tracer *tracer)
{
    (void)tracer; /* each tool has callbacks of its own */
}

bool
source_is_hook(PyObject *callback)
{
    (void)callback; /* handed to sys.monitoring only */
    return true;
}

void
source_forget_thread(struct traced_thread *traced)
{
    (void)traced;
}

#endif
