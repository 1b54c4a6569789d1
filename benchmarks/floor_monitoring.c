/* floor_monitoring.c -- callbacks that do nothing, of sys.monitoring (CPython 3.12 and later). */
#include "floor.h"

#include <stddef.h>

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

PyObject *
floor_begin(int builtins)
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

PyObject *
floor_end(void)
{
    PyObject *monitoring = PySys_GetObject("monitoring");
    PyObject *result = PyObject_CallMethod(monitoring, "set_events", "ii", TOOL_ID, 0);
    Py_XDECREF(result);
    return result != NULL ? PyObject_CallMethod(monitoring, "free_tool_id", "i", TOOL_ID) : NULL;
}
