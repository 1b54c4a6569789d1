/* greenlets.c -- which greenlet runs: learnt from greenlet itself, at the moment of each switch.
 *
 * greenlet calls one function a thread after each switch, in the target. Ours goes there, the one that
 * was there before is called by ours, and put back at the end. The interpreter's own events are switched
 * off meanwhile, so what is called here leaves no trace.
 *
 * A greenlet's position is made when it is first seen:
 *      at its first switch it has no frame yet: it starts at its base
 *      met in mid-flight, it has: its open calls are taken over, with time from now on, but no call
 *
 * When a greenlet ends, the last switch comes from it, and it is active no longer. */
#include "tracer.h"

/* -- taking over open calls ---------------------------------------------------------------------- */

static struct node *
seeded_child(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    struct node *node = recorder_recent_child(thread, code_key(code, tracer->state->code_slot));
    return node != NULL ? node : tracer_child_of_code(tracer, thread, code, frame);
}

static size_t
count_frames(compat_frame *innermost)
{
    size_t count = 0;
    for (compat_frame *frame = innermost; frame != NULL; frame = compat_frame_previous(frame)) {
        count += compat_frame_code(frame) != NULL;
    }
    return count;
}

void
greenlets_seed_calls(struct tracer *tracer, struct thread *thread, compat_frame *innermost)
{
    size_t count = count_frames(innermost);
    struct memory *memory = &tracer->recorder.memory;
    compat_frame **frames = count > 0 ? memory_get(memory, count * sizeof *frames) : NULL;
    if (frames == NULL) {
        tracer->counters.unplaced_greenlets += count > 0;
        return;
    }
    size_t depth = count;
    for (compat_frame *frame = innermost; frame != NULL; frame = compat_frame_previous(frame)) {
        if (compat_frame_code(frame) != NULL) {
            frames[--depth] = frame;
        }
    }
    for (depth = 0; depth < count; depth++) {
        PyCodeObject *code = compat_frame_code(frames[depth]);
        struct node *node = seeded_child(tracer, thread, code, frames[depth]);
        recorder_open(&tracer->recorder, thread, (uintptr_t)frames[depth], node);
    }
    memory_free(memory, frames, count * sizeof *frames);
}

/* Whether the running position already stands for the frames that are there: nothing happened since it
 * was seeded. */
static bool
stands_for(const struct position *position, compat_frame *innermost)
{
    const struct open_call *call = position->top;
    for (compat_frame *frame = innermost; frame != NULL; frame = compat_frame_previous(frame)) {
        if (compat_frame_code(frame) == NULL) {
            continue;
        }
        if (call == position->bottom || call->frame != (uintptr_t)frame) {
            return false;
        }
        call--;
    }
    return call == position->bottom;
}

/* -- going to a greenlet --------------------------------------------------------------------------- */

/* The position of a greenlet that is switched to for the first time in this session. */
static struct position *
first_seen(struct tracer *tracer, struct thread *thread, PyObject *greenlet, uint64_t since_ticks)
{
    const struct function *greenlet_class =
        functions_of_greenlet_class(&tracer->functions, Py_TYPE(greenlet));
    if (greenlet_class == NULL) {
        return NULL;
    }
    return recorder_add_greenlet(&tracer->recorder, thread, greenlet, greenlet_class, since_ticks);
}

/* A greenlet without a frame has only now begun. A position at its address is then that of one before,
 * whose end nobody told. */
static struct position *
position_at_start(struct tracer *tracer, struct thread *thread, PyObject *greenlet, uint64_t now_ticks)
{
    struct position *stale = position_map_find(&tracer->recorder.greenlets, greenlet);
    if (stale == thread->position) {
        recorder_unname_greenlet(&tracer->recorder, stale);
    } else if (stale != NULL) {
        recorder_end_greenlet(&tracer->recorder, thread, stale);
    }
    return first_seen(tracer, thread, greenlet, now_ticks);
}

/* A greenlet that was running here when the recording began, and was switched out before it was named. */
static struct position *
claim_unnamed(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *frame)
{
    struct position *position = thread->unnamed;
    if (position == NULL || !stands_for(position, frame)) {
        return NULL;
    }
    thread->unnamed = NULL;
    recorder_name_greenlet(&tracer->recorder, position, greenlet);
    return position;
}

static struct position *
position_in_flight(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *frame)
{
    struct position *position = position_map_find(&tracer->recorder.greenlets, greenlet);
    if (position == NULL) {
        position = claim_unnamed(tracer, thread, greenlet, frame);
    }
    return position != NULL ? position : first_seen(tracer, thread, greenlet, tracer->session_began_ticks);
}

/* A greenlet met in mid-flight waited in the calls that are open: they are taken over first. */
static void
go_to_position(struct tracer *tracer, struct thread *thread, struct position *position, compat_frame *frame)
{
    bool met_in_flight = frame != NULL && position->switches == 0 && position->top == position->bottom;
    thread_switch(thread, position, thread->last_ticks);
    if (met_in_flight) {
        greenlets_seed_calls(tracer, thread, frame);
    }
    thread_wait_until(position, thread->last_ticks);
}

/* The thread runs this greenlet from the last charge on. `frame` is its innermost open one; NULL: it only now
 * begins. */
static void
go_to_greenlet(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *frame)
{
    struct position *position = frame == NULL
                                    ? position_at_start(tracer, thread, greenlet, thread->last_ticks)
                                    : position_in_flight(tracer, thread, greenlet, frame);
    if (position == NULL) {
        tracer->counters.unplaced_greenlets++;
        thread_switch(thread, recorder_stray(thread), thread->last_ticks);
    } else if (position != thread->position) {
        go_to_position(tracer, thread, position, frame);
    }
}

/* -- arming a thread ----------------------------------------------------------------------------- */

/* The frame whose beginning is being told is not open yet. */
static compat_frame *
innermost_open_frame(PyThreadState *tstate, const compat_frame *entering)
{
    compat_frame *frame = compat_current_frame(tstate);
    return frame != NULL && frame == entering ? compat_frame_previous(frame) : frame;
}

/* The running position has no greenlet yet, or was seeded for one that was thought to be of another class:
 * its open calls are taken over under the right base. */
static void
place_running_greenlet(struct tracer *tracer, struct thread *thread, const struct function *greenlet_class,
                       compat_frame *innermost)
{
    if (stands_for(thread->position, innermost) &&
        thread->position->bottom->node->function == greenlet_class) {
        return;
    }
    struct node *charged = thread->position->top->node;
    recorder_clear_calls(thread->position);
    recorder_set_class(&tracer->recorder, thread, greenlet_class);
    greenlets_seed_calls(tracer, thread, innermost);
    thread_move_slice(thread, charged, thread->position->top->node);
}

/* Another greenlet runs than the one whose position is the running one: a switch came before anything told
 * us of switches. That one waits; if nobody knows whose position it is, it is kept for who fits it. */
static void
switch_unseen(struct tracer *tracer, struct thread *thread, PyObject *greenlet, compat_frame *innermost)
{
    if (thread->position->greenlet == NULL) {
        thread->unnamed = thread->position;
    } else {
        tracer->counters.missed_switches++;
    }
    go_to_greenlet(tracer, thread, greenlet, innermost);
}

static void
name_running_greenlet(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate,
                      const compat_frame *entering, PyObject *greenlet)
{
    struct thread *thread = traced->thread;
    struct position *position = thread->position;
    compat_frame *innermost = innermost_open_frame(tstate, entering);
    const struct function *greenlet_class =
        functions_of_greenlet_class(&tracer->functions, Py_TYPE(greenlet));
    if (position->greenlet == greenlet || greenlet_class == NULL) {
        return;
    }
    thread_charge(thread, clock_ticks(&tracer->recorder.clock));
    if (position->greenlet != NULL ||
        (position->top != position->bottom && !stands_for(position, innermost))) {
        switch_unseen(tracer, thread, greenlet, innermost);
        return;
    }
    place_running_greenlet(tracer, thread, greenlet_class, innermost);
    recorder_name_greenlet(&tracer->recorder, position, greenlet);
}

static struct switch_hook *switch_hook_new(struct tracer *tracer);

/* greenlet.settrace(function): the one that was there, owned, NULL for none. Errors are swallowed: a
 * thread that cannot be armed is recorded as if it had one greenlet. */
static PyObject *
set_trace_owned(struct module_state *state, PyObject *function)
{
    PyObject *previous_owned = PyObject_CallOneArg(state->greenlet.settrace_owned, function);
    if (previous_owned == NULL) {
        PyErr_Clear();
    } else if (previous_owned == Py_None) {
        Py_CLEAR(previous_owned);
    }
    return previous_owned;
}

void
greenlets_drop_hook(struct traced_thread *traced)
{
    struct switch_hook *hook_owned = traced->hook_owned;
    traced->hook_owned = NULL;
    if (hook_owned != NULL) {
        Py_CLEAR(hook_owned->tracer_owned);
        Py_DECREF((PyObject *)hook_owned);
    }
}

static void
install_hook(struct tracer *tracer, struct traced_thread *traced)
{
    struct switch_hook *hook = switch_hook_new(tracer);
    if (hook == NULL) {
        PyErr_Clear();
        return;
    }
    PyObject *previous_owned = set_trace_owned(tracer->state, (PyObject *)hook);
    if (previous_owned != NULL && Py_IS_TYPE(previous_owned, tracer->state->switch_hook_type_owned)) {
        /* One of an earlier session that had no switch to go at: what it stood before is next. */
        struct switch_hook *stale = (struct switch_hook *)previous_owned;
        hook->previous_owned = Py_XNewRef(stale->previous_owned);
        Py_DECREF(previous_owned);
    } else {
        hook->previous_owned = previous_owned;
    }
    greenlets_drop_hook(traced);
    traced->hook_owned = hook;
}

void
greenlets_arm_thread(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate,
                     compat_frame *entering)
{
    install_hook(tracer, traced);
    PyObject *greenlet_owned = tracer->state->greenlet.current_owned();
    if (greenlet_owned == NULL) {
        PyErr_Clear();
        return;
    }
    name_running_greenlet(tracer, traced, tstate, entering, greenlet_owned);
    Py_DECREF(greenlet_owned); /* it runs: its thread holds it */
}

static void
uninstall_hook(struct switch_hook *hook)
{
    struct module_state *state = module_state_of_type(Py_TYPE(hook));
    PyObject *now_owned = PyObject_CallNoArgs(state->greenlet.gettrace_owned);
    if (now_owned == (PyObject *)hook) {
        PyObject *previous = hook->previous_owned != NULL ? hook->previous_owned : Py_None;
        Py_XDECREF(set_trace_owned(state, previous));
    }
    PyErr_Clear();
    Py_XDECREF(now_owned);
}

void
greenlets_disarm(struct tracer *tracer)
{
    uint64_t here = compat_thread_state_id(compat_thread_state());
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            if (each->hook_owned == NULL) {
                continue;
            }
            if (each->tstate_id == here) {
                uninstall_hook(each->hook_owned);
            }
            greenlets_drop_hook(each);
        }
    }
}

/* -- a switch ------------------------------------------------------------------------------------ */

static void
end_if_over(struct tracer *tracer, struct thread *thread, PyObject *origin)
{
    if (tracer->state->greenlet.is_active(origin) != 0) {
        return;
    }
    struct position *position = position_map_find(&tracer->recorder.greenlets, origin);
    if (position != NULL && position != thread->position) {
        recorder_end_greenlet(&tracer->recorder, thread, position);
    }
}

static void
record_switch(struct tracer *tracer, struct thread *thread, PyObject *origin, PyObject *target,
              compat_frame *frame)
{
    thread_charge(thread, clock_ticks(&tracer->recorder.clock));
    tracer->counters.missed_switches += thread->position->greenlet != origin;
    go_to_greenlet(tracer, thread, target, frame);
    end_if_over(tracer, thread, origin);
}

/* A program can get hold of the hook and call it with anything. */
static bool
are_greenlets(const struct tracer *tracer, PyObject *pair)
{
    PyTypeObject *type = tracer->state->greenlet.type_borrowed;
    return PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 &&
           PyObject_TypeCheck(PyTuple_GET_ITEM(pair, 0), type) &&
           PyObject_TypeCheck(PyTuple_GET_ITEM(pair, 1), type);
}

static void
on_switch_event(struct tracer *tracer, PyObject *greenlets)
{
    PyThreadState *tstate = compat_thread_state();
    struct thread *thread = tracer_thread(tracer, tstate, NULL);
    if (thread != NULL && are_greenlets(tracer, greenlets)) {
        record_switch(tracer, thread, PyTuple_GET_ITEM(greenlets, 0), PyTuple_GET_ITEM(greenlets, 1),
                      compat_current_frame(tstate));
    }
    source_notice_threads(tracer);
}

/* greenlet uninstalls a trace function that raises, here that is us. The next event of this thread
 * installs us again, without the function that raised: it would be gone without us too. */
static void
install_again(struct switch_hook *hook)
{
    struct tracer *tracer = hook->tracer_owned;
    Py_CLEAR(hook->previous_owned);
    if (tracer == NULL) {
        return;
    }
    struct traced_thread *traced = threads_find(tracer, compat_thread_state_id(compat_thread_state()));
    tracer->current_tstate = NULL;
    if (traced != NULL) {
        traced->armed = false;
    }
}

/* Calls the trace function that was there before us; its exception is the target's. */
static PyObject *
call_previous(struct switch_hook *hook, PyObject *const *args, size_t nargsf)
{
    if (hook->previous_owned == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *hook_owned = Py_NewRef((PyObject *)hook);
    PyObject *previous_owned = Py_NewRef(hook->previous_owned);
    PyObject *result_owned = PyObject_Vectorcall(previous_owned, args, nargsf, NULL);
    if (result_owned == NULL) {
        install_again(hook);
    }
    Py_DECREF(previous_owned);
    Py_DECREF(hook_owned);
    return result_owned;
}

static PyObject *
switch_hook_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    struct switch_hook *hook = (struct switch_hook *)self;
    if (PyVectorcall_NARGS(nargsf) != 2 || kwnames != NULL) {
        PyErr_SetString(PyExc_TypeError, "a greenlet trace function takes an event and its arguments");
        return NULL;
    }
    if (hook->tracer_owned != NULL) {
        on_switch_event(hook->tracer_owned, args[1]);
    } else {
        uninstall_hook(hook);
    }
    return call_previous(hook, args, nargsf);
}

/* -- the hook's type ----------------------------------------------------------------------------- */

static struct switch_hook *
switch_hook_new(struct tracer *tracer)
{
    struct switch_hook *hook = PyObject_GC_New(struct switch_hook, tracer->state->switch_hook_type_owned);
    if (hook != NULL) {
        hook->vectorcall = switch_hook_vectorcall;
        hook->tracer_owned = (struct tracer *)Py_NewRef((PyObject *)tracer);
        hook->previous_owned = NULL;
        PyObject_GC_Track((PyObject *)hook);
    }
    return hook;
}

static int
switch_hook_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct switch_hook *hook = (struct switch_hook *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)hook->tracer_owned);
    Py_VISIT(hook->previous_owned);
    return 0;
}

static int
switch_hook_clear(PyObject *self)
{
    struct switch_hook *hook = (struct switch_hook *)self;
    Py_CLEAR(hook->tracer_owned);
    Py_CLEAR(hook->previous_owned);
    return 0;
}

static void
switch_hook_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)switch_hook_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMemberDef switch_hook_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct switch_hook, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot switch_hook_slots[] = {
    {Py_tp_dealloc, switch_hook_dealloc}, {Py_tp_traverse, switch_hook_traverse},
    {Py_tp_clear, switch_hook_clear},     {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, switch_hook_members}, {0, NULL},
};

PyType_Spec switch_hook_spec = {
    .name = "greenletprofiler._native.SwitchHook",
    .basicsize = sizeof(struct switch_hook),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = switch_hook_slots,
};
