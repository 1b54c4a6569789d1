/* recorder_type.c -- the type `Recorder` as Python sees it. */
#include "tracer.h"

#define ENDED_THREADS 256
#define ENDED_GREENLETS 100000
#define BLOCKING_NS 100000000

static const char recorder_doc[] =
    "Recorder(*, builtins, threads, hidden, polls, node_budget, doors=(), filters=(), "
    "blocking_ns=100_000_000, timeline=0, spawn_places=False, per_greenlet=False, "
    "memory_limit=sys.maxsize, failing_request=0)\n--\n\n"
    "Records calls and switches between start() and stop(), for as many sessions as are wanted.";

/* -- life ---------------------------------------------------------------------------------------- */

static int
name_marks(struct tracer *tracer)
{
    struct text ended_name = text_of_c_string("[ended threads]");
    const struct function *truncated = functions_of_truncation(&tracer->functions);
    const struct function *ended = functions_of_thread(&tracer->functions, &ended_name);
    if (truncated == NULL || ended == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    recorder_set_marks(&tracer->recorder, truncated, ended);
    return 0;
}

/* A function has a node, but for those that are hidden, and for classes and threads. */
#define FUNCTIONS_WITHOUT_NODES 1000

struct arguments {
    int builtins, threads, spawn_places, per_greenlet;
    struct function_rules_borrowed rules;
    Py_ssize_t node_budget, timeline, memory_limit, failing_request;
    long long blocking_ns;
};

static int
init_recorder(struct tracer *tracer, const struct arguments *it)
{
    struct memory memory;
    struct clock clock;
    struct recorder_limits limits = {
        .nodes = (size_t)it->node_budget,
        .ended_threads = ENDED_THREADS,
        .ended_greenlets = ENDED_GREENLETS,
        .blocking_ns = it->blocking_ns,
        .timeline = (size_t)it->timeline,
    };
    memory_init(&memory);
    memory.limit = (size_t)it->memory_limit;
    memory.failing_request = (size_t)it->failing_request;
    clock_init(&clock, &clock_system_readings);
    if (!recorder_init(&tracer->recorder, &memory, &clock, &limits)) {
        PyErr_NoMemory();
        return -1;
    }
    tracer->initialized = true;
    size_t most_functions = limits.nodes + FUNCTIONS_WITHOUT_NODES;
    if (functions_init(&tracer->functions, &tracer->recorder.memory, tracer->state,
                       most_functions < RECORD_NO_KIND ? most_functions : RECORD_NO_KIND) < 0) {
        return -1;
    }
    return name_marks(tracer);
}

/* -1 and an exception. */
static int
read_arguments(struct arguments *it, PyObject *args, PyObject *kwargs)
{
    static char *const names[] = {
        "builtins",     "threads",      "hidden",          "polls",    "node_budget",
        "doors",        "filters",      "blocking_ns",     "timeline", "spawn_places",
        "per_greenlet", "memory_limit", "failing_request", NULL};
    struct function_rules_borrowed *rules = &it->rules;
    *it = (struct arguments){.memory_limit = PY_SSIZE_T_MAX, .blocking_ns = BLOCKING_NS};
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "|$ppO!O!nO!O!Lnppnn:Recorder", (char **)names, &it->builtins, &it->threads,
            &PyTuple_Type, &rules->hidden, &PyTuple_Type, &rules->polls, &it->node_budget, &PyTuple_Type,
            &rules->doors, &PyTuple_Type, &rules->filters, &it->blocking_ns, &it->timeline, &it->spawn_places,
            &it->per_greenlet, &it->memory_limit, &it->failing_request)) {
        return -1;
    }
    if (rules->hidden == NULL || rules->polls == NULL) {
        PyErr_SetString(PyExc_TypeError, "hidden and polls are missing");
        return -1;
    }
    if ((it->timeline & (it->timeline - 1)) != 0) {
        PyErr_SetString(PyExc_ValueError, "timeline must be a power of two, or 0");
        return -1;
    }
    if (it->node_budget < 1 || it->blocking_ns < 0 || it->timeline < 0 || it->memory_limit < 0 ||
        it->failing_request < 0) {
        PyErr_SetString(PyExc_ValueError, "node_budget must be at least 1; blocking_ns, timeline, "
                                          "memory_limit and failing_request at least 0");
        return -1;
    }
    return 0;
}

static PyObject *
recorder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct arguments it;
    struct tracer *tracer =
        read_arguments(&it, args, kwargs) == 0 ? (struct tracer *)type->tp_alloc(type, 0) : NULL;
    if (tracer == NULL) {
        return NULL;
    }
    tracer->state = module_state_of_type(type);
    tracer->records_builtins = it.builtins != 0;
    tracer->records_threads = it.threads != 0;
    tracer->notes.wants_places = it.spawn_places != 0;
    tracer->separates_greenlets = it.per_greenlet != 0;
    tracer->monitoring.tool_id = -1;
    if (init_recorder(tracer, &it) < 0 || functions_set_rules(&tracer->functions, &it.rules) < 0) {
        Py_DECREF((PyObject *)tracer);
        return NULL;
    }
    return (PyObject *)tracer;
}

static int
recorder_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct tracer *tracer = (struct tracer *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(tracer->profile_callback_owned);
    Py_VISIT(tracer->replaced_hook_owned);
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            Py_VISIT((PyObject *)each->hook_owned);
        }
    }
    return functions_traverse(&tracer->functions, visit, arg);
}

static int
recorder_clear(PyObject *self)
{
    struct tracer *tracer = (struct tracer *)self;
    if (tracer->running) {
        tracer_end_session(tracer);
    }
    return 0;
}

static void
recorder_dealloc(PyObject *self)
{
    struct tracer *tracer = (struct tracer *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)recorder_clear(self);
    threads_dispose(tracer);
    if (tracer->initialized) {
        sightings_clear(&tracer->sightings, &tracer->recorder.memory);
        notes_dispose(&tracer->notes, &tracer->recorder.memory);
        functions_dispose(&tracer->functions);
        recorder_dispose(&tracer->recorder);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- methods ------------------------------------------------------------------------------------- */

static PyObject *
recorder_start(PyObject *self, PyObject *none)
{
    (void)none;
    return tracer_start((struct tracer *)self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
recorder_stop_method(PyObject *self, PyObject *none)
{
    (void)none;
    return tracer_stop((struct tracer *)self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
recorder_snapshot(PyObject *self, PyObject *none)
{
    (void)none;
    return snapshot_take((struct tracer *)self);
}

static PyObject *
recorder_monotonic_ns(PyObject *none, PyObject *nothing)
{
    (void)none;
    (void)nothing;
    return PyLong_FromLongLong(clock_system_readings.monotonic_ns());
}

/* The calling function's child is found below it, also while this call is one of its children. */
static PyObject *
recorder_self_ns(PyObject *self, PyObject *code)
{
    struct tracer *tracer = (struct tracer *)self;
    if (!PyCode_Check(code)) {
        PyErr_SetString(PyExc_TypeError, "self_ns() takes a code object");
        return NULL;
    }
    return PyLong_FromLongLong(tracer_self_ns(tracer, (PyCodeObject *)code));
}

static PyObject *
with_tag(PyObject *self, PyObject *name, void (*do_it)(struct tracer *, PyObject *))
{
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "a tag is a str");
        return NULL;
    }
    do_it((struct tracer *)self, name);
    Py_RETURN_NONE;
}

static PyObject *
recorder_enter_tag(PyObject *self, PyObject *name)
{
    return with_tag(self, name, tracer_enter_tag);
}

static PyObject *
recorder_exit_tag(PyObject *self, PyObject *name)
{
    return with_tag(self, name, tracer_exit_tag);
}

static PyObject *
recorder_running(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(((struct tracer *)self)->running);
}

static PyObject *
recorder_memory_bytes(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromSize_t(((struct tracer *)self)->recorder.memory.bytes);
}

static PyObject *
recorder_matched_patterns(PyObject *self, void *closure)
{
    (void)closure;
    return filters_matched(&((struct tracer *)self)->functions.filters);
}

static PyMethodDef recorder_methods[] = {
    {"start", recorder_start, METH_NOARGS, "Begins to record; Busy when a recorder runs already."},
    {"stop", recorder_stop_method, METH_NOARGS, "Ends the recording; NotRunning when there is none."},
    {"monotonic_ns", recorder_monotonic_ns, METH_NOARGS | METH_STATIC,
     "The system's monotonic clock, whatever the program has made of the module time."},
    {"self_ns", recorder_self_ns, METH_O,
     "self_ns(code): running time so far of that function, where the calling one called it; 0 if it did "
     "not."},
    {"enter_tag", recorder_enter_tag, METH_O,
     "enter_tag(name): what the program's innermost call does from now on is below this tag."},
    {"exit_tag", recorder_exit_tag, METH_O, "exit_tag(name): ... no more. There need be none."},
    {"snapshot", recorder_snapshot, METH_NOARGS, "What was recorded so far, as plain values."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef recorder_attributes[] = {
    {"running", recorder_running, NULL, "Whether it records now.", NULL},
    {"memory_bytes", recorder_memory_bytes, NULL, "Bytes that the recording takes now.", NULL},
    {"matched_patterns", recorder_matched_patterns, NULL,
     "Numbers of the filters' patterns that a function matched so far.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, (void *)recorder_doc},   {Py_tp_new, recorder_new},
    {Py_tp_dealloc, recorder_dealloc},   {Py_tp_traverse, recorder_traverse},
    {Py_tp_clear, recorder_clear},       {Py_tp_methods, recorder_methods},
    {Py_tp_getset, recorder_attributes}, {0, NULL},
};

PyType_Spec recorder_spec = {
    .name = "greenletprofiler._native.Recorder",
    .basicsize = sizeof(struct tracer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = recorder_slots,
};
