/* floor.c -- what any profiler in C must pay: callbacks that do nothing, and the reading of a clock.
 *
 *      start(builtins)     the interpreter tells of each call and return, and nothing is done with it
 *      stop()
 *      switched            for greenlet.settrace(): told of each switch, does nothing
 *      stamp_ns()          reading the time-stamp counter once
 *
 * The events are those that the profiler asks for: sys.monitoring on Python 3.12 and later, PyEval_SetProfile
 * before. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stddef.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#define read_counter() __rdtsc()
#else
#define read_counter() ((unsigned long long)clock())
#endif

static PyObject *
nothing(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    (void)module;
    (void)args;
    (void)nargs;
    Py_RETURN_NONE;
}

#if PY_VERSION_HEX >= 0x030C0000

#define TOOL_ID 4

/* What the interpreter calls with the least ado: an object with a vectorcall. */
struct callback {
    PyObject ob_base;
    vectorcallfunc vectorcall;
};

static PyObject *
no_event(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    (void)self;
    (void)args;
    (void)nargsf;
    (void)kwnames;
    Py_RETURN_NONE;
}

static PyTypeObject callback_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "floor.callback",
    .tp_basicsize = sizeof(struct callback),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_vectorcall_offset = offsetof(struct callback, vectorcall),
    .tp_call = PyVectorcall_Call,
};

static PyObject *
new_callback(void)
{
    if (PyType_Ready(&callback_type) < 0) {
        return NULL;
    }
    struct callback *callback = PyObject_New(struct callback, &callback_type);
    if (callback != NULL) {
        callback->vectorcall = no_event;
    }
    return (PyObject *)callback;
}

static const char *const event_names[] = {"PY_START",  "PY_RESUME", "PY_THROW", "PY_RETURN", "PY_YIELD",
                                          "PY_UNWIND", "CALL",      "C_RETURN", "C_RAISE"};
enum { EVENTS_OF_PYTHON = 6, EVENTS = 9 };

/* 0 and an exception. */
static int
register_event(PyObject *monitoring, const char *name, PyObject *callback)
{
    PyObject *events = PyObject_GetAttrString(monitoring, "events");
    PyObject *bit_object = events != NULL ? PyObject_GetAttrString(events, name) : NULL;
    int bit = bit_object != NULL ? (int)PyLong_AsLong(bit_object) : 0;
    PyObject *result =
        bit > 0 ? PyObject_CallMethod(monitoring, "register_callback", "iiO", TOOL_ID, bit, callback) : NULL;
    Py_XDECREF(events);
    Py_XDECREF(bit_object);
    Py_XDECREF(result);
    return result != NULL ? bit : 0;
}

static PyObject *
begin(int builtins)
{
    PyObject *monitoring = PySys_GetObject("monitoring");
    PyObject *callback = new_callback();
    PyObject *taken = PyObject_CallMethod(monitoring, "use_tool_id", "is", TOOL_ID, "floor");
    int mask = 0;
    for (int event = 0; callback != NULL && taken != NULL && event < EVENTS; event++) {
        int bit = register_event(monitoring, event_names[event], callback);
        mask |= event < EVENTS_OF_PYTHON || (builtins && event == EVENTS_OF_PYTHON) ? bit : 0;
    }
    Py_XDECREF(callback);
    Py_XDECREF(taken);
    return PyErr_Occurred() ? NULL : PyObject_CallMethod(monitoring, "set_events", "ii", TOOL_ID, mask);
}

static PyObject *
end(void)
{
    PyObject *monitoring = PySys_GetObject("monitoring");
    PyObject *result = PyObject_CallMethod(monitoring, "set_events", "ii", TOOL_ID, 0);
    Py_XDECREF(result);
    return result != NULL ? PyObject_CallMethod(monitoring, "free_tool_id", "i", TOOL_ID) : NULL;
}

#else

static int
no_event(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    (void)frame;
    (void)what;
    (void)argument;
    return 0;
}

static PyObject *
begin(int builtins)
{
    (void)builtins; /* told in either case */
    PyEval_SetProfile(no_event, NULL);
    Py_RETURN_NONE;
}

static PyObject *
end(void)
{
    PyEval_SetProfile(NULL, NULL);
    Py_RETURN_NONE;
}

#endif

static PyObject *
start(PyObject *module, PyObject *builtins)
{
    (void)module;
    int wanted = PyObject_IsTrue(builtins);
    return wanted < 0 ? NULL : begin(wanted);
}

static PyObject *
stop(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return end();
}

enum { STAMPS = 200000 };

static PyObject *
read_stamps(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    volatile unsigned long long sink = 0;
    for (int stamp = 0; stamp < STAMPS; stamp++) {
        sink = read_counter();
    }
    (void)sink;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"start", start, METH_O, "start(builtins)"},
    {"stop", stop, METH_NOARGS, "stop()"},
    {"switched", (PyCFunction)(void *)nothing, METH_FASTCALL, "switched(event, args)"},
    {"read_stamps", read_stamps, METH_NOARGS, "reads the counter STAMPS times"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "floor", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit_floor(void)
{
    PyObject *floor = PyModule_Create(&module);
    if (floor != NULL && PyModule_AddIntConstant(floor, "STAMPS", STAMPS) < 0) {
        Py_CLEAR(floor);
    }
    return floor;
}
