/* source_setprofile.c -- events of CPython 3.10 and 3.11, from a profile function.
 *
 * A profile function is set thread by thread: on those that exist when a session starts, on a new one when
 * the call that made it returns, and, for threads made where no event tells, at the next greenlet switch.
 * A profile function that was there before is put aside and put back.
 *
 * Thread pools (gevent's) set threading's profile hook anew before each task, and none after it. So we are
 * that hook too: called as a Python profile function, we put the C one in its place. The module threading asks
 * on each new thread whether there is a hook: there the C one is set at once, and the answer is no. Had it called
 * sys.setprofile(), two new threads could have got in each other's way. */
#include "callables.h"
#include "tracer.h"

#if !COMPAT_HAS_MONITORING

/* A call whose two events record nothing takes time in its caller all the same. */
static void
pass_over(struct thread *thread)
{
    thread->position->top->node->passed_over++;
}

/* Whether this thread had the last event too, and runs that frame. */
static inline bool
is_at_hand(const struct tracer *tracer, const compat_frame *frame)
{
    return tracer_current_frame(tracer) == frame;
}

static bool
resumes(const PyCodeObject *code, PyFrameObject *object)
{
    bool can_resume = (code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0;
    return can_resume && compat_frame_was_started(object);
}

/* Each event is first tried to be recorded straight away. Where that fails it is recorded by these. */

static __attribute__((noinline)) void
enter_python_anyhow(struct tracer *tracer, PyFrameObject *object)
{
    compat_frame *frame = compat_frame_of_object(object);
    struct thread *thread = tracer_thread(tracer, compat_thread_state(), frame);
    if (thread == NULL) {
        return;
    }
    PyCodeObject *code = compat_frame_code(frame);
    if (tracer_is_excluded(tracer, thread, code, frame)) {
        pass_over(thread);
        return;
    }
    (void)tracer_enter(tracer, thread, code, frame, resumes(code, object));
}

static __attribute__((noinline)) void
leave_python_anyhow(struct tracer *tracer, PyFrameObject *object)
{
    struct thread *thread = tracer_thread(tracer, compat_thread_state(), NULL);
    if (thread != NULL) {
        compat_frame *frame = compat_frame_of_object(object);
        (void)tracer_leave(tracer, thread, compat_frame_code(frame), frame);
    }
}

static __attribute__((noinline)) void
enter_builtin_anyhow(struct tracer *tracer, PyFrameObject *object, const void *key, PyObject *callable)
{
    struct thread *thread = tracer_thread(tracer, compat_thread_state(), NULL);
    compat_frame *frame = compat_frame_of_object(object);
    if (thread != NULL && !tracer_enter_c(tracer, thread, key, callable, compat_frame_code(frame), frame)) {
        pass_over(thread);
    }
}

static __attribute__((noinline)) void
leave_builtin_anyhow(struct tracer *tracer, PyFrameObject *object)
{
    struct thread *thread = tracer_thread(tracer, compat_thread_state(), NULL);
    if (thread != NULL) {
        compat_frame *frame = compat_frame_of_object(object);
        (void)tracer_leave_c(tracer, thread, compat_frame_code(frame), frame);
    }
}

static inline void
enter_python(struct tracer *tracer, PyFrameObject *object)
{
    compat_frame *frame = compat_frame_of_object(object);
    const PyCodeObject *code = compat_frame_code(frame);
    if (!is_at_hand(tracer, frame) || !tracer_try_enter(tracer, code, frame, resumes(code, object))) {
        enter_python_anyhow(tracer, object);
    }
}

static inline void
leave_python(struct tracer *tracer, PyFrameObject *object)
{
    compat_frame *frame = compat_frame_of_object(object);
    if (!is_at_hand(tracer, frame) || !tracer_try_leave(tracer, frame)) {
        leave_python_anyhow(tracer, object);
    }
}

static inline void
enter_builtin(struct tracer *tracer, PyFrameObject *object, PyObject *callable)
{
    const void *key = callable_key(tracer->state, callable);
    compat_frame *frame = compat_frame_of_object(object);
    if (key != NULL && (!is_at_hand(tracer, frame) || !tracer_try_enter_c(tracer, key, frame))) {
        enter_builtin_anyhow(tracer, object, key, callable);
    }
}

static inline void
leave_builtin(struct tracer *tracer, PyFrameObject *object)
{
    compat_frame *frame = compat_frame_of_object(object);
    if (!is_at_hand(tracer, frame) || !tracer_try_leave_c(tracer, frame)) {
        leave_builtin_anyhow(tracer, object);
    }
}

static void
pass_over_builtin(struct tracer *tracer, PyFrameObject *object)
{
    struct thread *thread = is_at_hand(tracer, compat_frame_of_object(object))
                                ? tracer->current_thread
                                : tracer_thread(tracer, compat_thread_state(), NULL);
    if (thread != NULL) {
        pass_over(thread);
    }
}

static bool
starts_thread(const struct module_state *state, PyObject *callable)
{
    if (!PyCFunction_CheckExact(callable)) {
        return false;
    }
    const PyMethodDef *method = ((PyCFunctionObject *)callable)->m_ml;
    return method == state->start_thread_method || method == state->start_thread_alias;
}

static int
on_event(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    struct tracer *tracer = ((struct callback *)self)->tracer_owned;
    if (what == PyTrace_CALL) {
        enter_python(tracer, frame);
    } else if (what == PyTrace_RETURN) {
        leave_python(tracer, frame);
    } else if (what == PyTrace_C_CALL) {
        if (tracer->records_builtins) {
            enter_builtin(tracer, frame, argument);
        } else {
            pass_over_builtin(tracer, frame);
        }
    } else if ((what == PyTrace_C_RETURN || what == PyTrace_C_EXCEPTION) && tracer->records_builtins) {
        leave_builtin(tracer, frame);
    }
    if (what == PyTrace_C_RETURN && starts_thread(tracer->state, argument)) {
        source_notice_threads(tracer);
    }
    return 0;
}

/* -- threading's hook ---------------------------------------------------------------------------- */

static const char *const event_names[] = {
    [PyTrace_CALL] = "call",         [PyTrace_EXCEPTION] = "exception", [PyTrace_LINE] = "line",
    [PyTrace_RETURN] = "return",     [PyTrace_C_CALL] = "c_call",       [PyTrace_C_EXCEPTION] = "c_exception",
    [PyTrace_C_RETURN] = "c_return", [PyTrace_OPCODE] = "opcode",
};
enum { EVENT_NAMES = sizeof event_names / sizeof event_names[0] };

static void
pass_on(PyObject *self, PyObject *frame, PyObject *event, PyObject *argument)
{
    for (int what = 0; what < EVENT_NAMES; what++) {
        if (PyUnicode_CompareWithASCIIString(event, event_names[what]) == 0) {
            (void)on_event(self, (PyFrameObject *)frame, what, argument);
        }
    }
}

/* A frame may be used again by another function: then the call is over. */
static bool
goes_on(const struct tracer *tracer, const struct open_call *call, compat_frame *innermost)
{
    compat_frame *frame = innermost;
    while (frame != NULL && (uintptr_t)frame != call->frame) {
        frame = compat_frame_previous(frame);
    }
    return frame != NULL &&
           code_key(compat_frame_code(frame), tracer->functions.code_slot) == call->node->key;
}

/* A thread without a profile function tells of no ends: the next calls would be taken for calls by those that
 * ended unseen. */
static void
close_what_ended(struct tracer *tracer, struct thread *thread, compat_frame *innermost)
{
    struct position *position = thread->position;
    const struct open_call *call = position_python_call(position);
    while (call != position_bottom(position) && !goes_on(tracer, call, innermost)) {
        recorder_close_from(position, call);
        call = position_python_call(position);
    }
}

static void
catch_up(struct tracer *tracer, PyFrameObject *object, bool is_entering)
{
    compat_frame *frame = compat_frame_of_object(object);
    struct thread *thread = tracer_thread(tracer, compat_thread_state(), is_entering ? frame : NULL);
    if (thread != NULL) {
        close_what_ended(tracer, thread, is_entering ? compat_frame_previous(frame) : frame);
    }
}

/* hook(frame, event, argument): the interpreter calls it for an event of a thread that set it. */
static PyObject *
on_hook(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    struct tracer *tracer = ((struct callback *)self)->tracer_owned;
    if (PyVectorcall_NARGS(nargsf) != 3 || kwnames != NULL || !PyFrame_Check(args[0]) ||
        !PyUnicode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "a profile function takes a frame, an event and its argument");
        return NULL;
    }
    if (tracer->profile_callback_owned == NULL) {
        Py_RETURN_NONE; /* the session is over */
    }
    compat_set_profile(compat_thread_state(), on_event, self);
    bool is_entering = PyUnicode_CompareWithASCIIString(args[1], event_names[PyTrace_CALL]) == 0;
    catch_up(tracer, (PyFrameObject *)args[0], is_entering);
    pass_on(self, args[0], args[1], args[2]);
    Py_RETURN_NONE;
}

/* threading.NAME(argument), or threading.NAME() for NULL; owned, NULL without an exception. */
static PyObject *
call_threading_owned(const char *name, PyObject *argument)
{
    PyObject *threading_owned = PyImport_ImportModule("threading");
    PyObject *function_owned = threading_owned != NULL ? PyObject_GetAttrString(threading_owned, name) : NULL;
    PyObject *result_owned = NULL;
    if (function_owned != NULL) {
        result_owned = argument != NULL ? PyObject_CallOneArg(function_owned, argument)
                                        : PyObject_CallNoArgs(function_owned);
    }
    PyErr_Clear();
    Py_XDECREF(function_owned);
    Py_XDECREF(threading_owned);
    return result_owned;
}

static void
set_threading_hook(struct tracer *tracer)
{
    if (tracer->only_tstate_id != 0) {
        return;
    }
    Py_XSETREF(tracer->replaced_hook_owned, call_threading_owned("getprofile", NULL));
    Py_XDECREF(call_threading_owned("setprofile", tracer->profile_callback_owned));
}

static void
put_threading_hook_back(struct tracer *tracer)
{
    PyObject *now_owned = call_threading_owned("getprofile", NULL);
    if (now_owned != NULL && now_owned == tracer->profile_callback_owned &&
        tracer->replaced_hook_owned != NULL) {
        Py_XDECREF(call_threading_owned("setprofile", tracer->replaced_hook_owned));
    }
    Py_XDECREF(now_owned);
    Py_CLEAR(tracer->replaced_hook_owned);
}

/* -- setting it, thread by thread ---------------------------------------------------------------- */

static void
set_on_thread(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate)
{
    if (traced->profiled) {
        return;
    }
    traced->replaced_function = tstate->c_profilefunc;
    Py_XSETREF(traced->replaced_object_owned, Py_XNewRef(tstate->c_profileobj));
    compat_set_profile(tstate, on_event, tracer->profile_callback_owned);
    traced->profiled = true;
}

static bool
is_wanted(const struct tracer *tracer, const PyThreadState *tstate)
{
    return tracer->only_tstate_id == 0 || tracer->only_tstate_id == compat_thread_state_id(tstate);
}

/* The newest thread state comes first, and numbers only grow. */
static void
set_on_threads_after(struct tracer *tracer, uint64_t newest_known)
{
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    uint64_t newest = tstate != NULL ? compat_thread_state_id(tstate) : newest_known;
    for (; tstate != NULL && compat_thread_state_id(tstate) > newest_known;
         tstate = PyThreadState_Next(tstate)) {
        struct traced_thread *traced =
            is_wanted(tracer, tstate) ? threads_begin(tracer, tstate, clock_ticks(&tracer->recorder.clock))
                                      : NULL;
        if (traced != NULL) {
            set_on_thread(tracer, traced, tstate);
        }
    }
    tracer->newest_tstate_id = newest;
}

void
source_notice_threads(struct tracer *tracer)
{
    PyThreadState *newest = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    if (newest != NULL && compat_thread_state_id(newest) > tracer->newest_tstate_id) {
        set_on_threads_after(tracer, tracer->newest_tstate_id);
    }
}

bool
source_is_hook(PyObject *callback)
{
    struct tracer *tracer = ((struct callback *)callback)->tracer_owned;
    if (callback == tracer->profile_callback_owned) {
        source_notice_threads(tracer);
    }
    return false;
}

void
source_forget_thread(struct traced_thread *traced)
{
    Py_CLEAR(traced->replaced_object_owned);
}

int
source_learn(struct module_state *state)
{
    (void)state;
    return 0;
}

int
source_start(struct tracer *tracer, PyObject *greenlets)
{
    (void)greenlets; /* their frames need no telling */
    tracer->profile_callback_owned = callback_new(tracer, on_hook, on_hook);
    if (tracer->profile_callback_owned == NULL || PySys_Audit("sys.setprofile", NULL) < 0) {
        return -1;
    }
    set_threading_hook(tracer);
    set_on_threads_after(tracer, 0);
    return 0;
}

static void
put_back(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate)
{
    if (tstate->c_profilefunc == on_event && tstate->c_profileobj == tracer->profile_callback_owned) {
        compat_set_profile(tstate, traced->replaced_function, traced->replaced_object_owned);
    }
    traced->profiled = false;
    traced->replaced_function = NULL;
    Py_CLEAR(traced->replaced_object_owned);
}

/* What is ours is put back where it is not any more, too: it must not be put back twice. */
void
source_notice_replacement(struct tracer *tracer)
{
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        struct traced_thread *traced = threads_find(tracer, compat_thread_state_id(tstate));
        if (traced != NULL && traced->profiled && tstate->c_profileobj != tracer->profile_callback_owned) {
            put_back(tracer, traced, tstate);
            tracer->counters.replaced_profile_functions++;
        }
    }
}

void
source_stop(struct tracer *tracer, PyObject *greenlets)
{
    (void)greenlets;
    source_notice_replacement(tracer);
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        struct traced_thread *traced = threads_find(tracer, compat_thread_state_id(tstate));
        if (traced != NULL && traced->profiled) {
            put_back(tracer, traced, tstate);
        }
    }
    put_threading_hook_back(tracer);
    Py_CLEAR(tracer->profile_callback_owned);
}

#endif
