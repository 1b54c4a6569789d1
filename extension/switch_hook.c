/* switch_hook.c -- our trace function of greenlet: its life, its place in the chain, and what it stands before. */
#include "switch_hook.h"

#include "greenlets.h"
#include "stand_in.h"

static struct switch_hook *switch_hook_new(struct tracer *tracer);

/* -- putting it in place -------------------------------------------------------------------------- */

/* greenlet.settrace(function): the one that was there, NULL for none. Errors are swallowed: a thread that
 * cannot be armed is recorded as if it had one greenlet. */
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
switch_hook_drop(struct traced_thread *traced)
{
    struct switch_hook *hook_owned = traced->hook_owned;
    traced->hook_owned = NULL;
    if (hook_owned != NULL) {
        Py_CLEAR(hook_owned->tracer_owned);
        Py_DECREF((PyObject *)hook_owned);
    }
}

void
switch_hook_install(struct tracer *tracer, struct traced_thread *traced)
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
    switch_hook_drop(traced);
    traced->hook_owned = hook;
}

bool
switch_hook_is_called_by_another(const struct tracer *tracer)
{
    struct traced_thread *traced = threads_find(tracer, compat_thread_state_id(compat_thread_state()));
    PyObject *now_owned = PyObject_CallNoArgs(tracer->state->greenlet.gettrace_owned);
    bool is_another = traced != NULL && now_owned != (PyObject *)traced->hook_owned;
    PyErr_Clear();
    Py_XDECREF(now_owned);
    return is_another;
}

/* -- taking it away ------------------------------------------------------------------------------ */

static void
uninstall(struct switch_hook *hook)
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

/* Only its own thread can take a trace function away: until then it stays, and does nothing. */
static void
leave_behind(struct module_state *state, struct switch_hook *hook)
{
    Py_CLEAR(hook->tracer_owned);
    hook->is_left_behind = true;
    state->hooks_left_behind++;
}

void
switch_hook_disarm(struct tracer *tracer)
{
    uint64_t here = compat_thread_state_id(compat_thread_state());
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            if (each->hook_owned != NULL && each->tstate_id == here) {
                uninstall(each->hook_owned);
            }
            if (each->hook_owned != NULL) {
                leave_behind(tracer->state, each->hook_owned);
                Py_CLEAR(each->hook_owned);
            }
        }
    }
}

/* Nobody but us holds a hook that is neither installed nor called by another trace function: it was replaced,
 * past the stand-in, by one that does not call it. */
static bool
is_cut_off(const struct traced_thread *traced)
{
    return traced->hook_owned != NULL && Py_REFCNT((PyObject *)traced->hook_owned) == 1;
}

void
switch_hook_notice_cut_offs(struct tracer *tracer)
{
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            if (is_cut_off(each)) {
                Py_CLEAR(each->hook_owned);
                each->armed = false; /* the next event installs another one */
                tracer_forget_current(tracer);
                tracer->counters.cut_off_threads++;
            }
        }
    }
}

/* -- a switch ------------------------------------------------------------------------------------ */

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
    tracer_forget_current(tracer);
    if (traced != NULL) {
        traced->armed = false;
    }
}

/* An identity; NULL where that is no pair of anything. */
static const void *
item_of(PyObject *pair, Py_ssize_t index)
{
    return PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 ? PyTuple_GET_ITEM(pair, index) : NULL;
}

/* Whether the trace function that we stand before calls us back, as it was told to call what was there. It may
 * also switch itself, which is another switch to be told of; that one begins where the last one went, so the
 * same pair does not come twice in a row. */
static bool
is_called_back(const struct switch_hook *hook, PyObject *greenlets)
{
    return hook->open_calls > 0 && item_of(greenlets, 0) == hook->origin &&
           item_of(greenlets, 1) == hook->target;
}

/* Calls the trace function that we stand before; its exception is the target's. */
static PyObject *
call_previous(struct switch_hook *hook, PyObject *const *args, size_t nargsf)
{
    if (hook->previous_owned == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *hook_owned = Py_NewRef((PyObject *)hook);
    PyObject *previous_owned = Py_NewRef(hook->previous_owned);
    hook->origin = item_of(args[1], 0);
    hook->target = item_of(args[1], 1);
    hook->open_calls++;
    PyObject *result_owned = PyObject_Vectorcall(previous_owned, args, nargsf, NULL);
    hook->open_calls--;
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
    if (is_called_back(hook, args[1])) {
        Py_RETURN_NONE;
    }
    if (hook->tracer_owned != NULL) {
        greenlets_on_switch(hook->tracer_owned, args[1]);
    } else {
        uninstall(hook);
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
        hook->open_calls = 0;
        hook->origin = hook->target = NULL;
        hook->is_left_behind = false;
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
    if (((struct switch_hook *)self)->is_left_behind) {
        module_state_of_type(type)->hooks_left_behind--;
        stand_in_withdraw(module_state_of_type(type));
    }
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
