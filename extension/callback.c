/* callback.c -- what the interpreter calls at an event: a C function, and the Recorder it works for. */
#include "tracer.h"

PyObject *
callback_new(struct tracer *tracer, vectorcallfunc called, vectorcallfunc handler)
{
    struct callback *callback = PyObject_GC_New(struct callback, tracer->state->callback_type_owned);
    if (callback == NULL) {
        return NULL;
    }
    callback->vectorcall = called;
    callback->handler = handler;
    callback->tracer_owned = (struct tracer *)Py_NewRef((PyObject *)tracer);
    PyObject_GC_Track((PyObject *)callback);
    return (PyObject *)callback;
}

static int
callback_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT((PyObject *)((struct callback *)self)->tracer_owned);
    return 0;
}

/* Without tp_clear: an event may still come while a cycle is being taken apart, and must find its Recorder.
 * The Recorder's own tp_clear breaks the cycle. */
static void
callback_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_DECREF((PyObject *)((struct callback *)self)->tracer_owned);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int
callback_bool(PyObject *self)
{
    return source_is_hook(self);
}

static PyMemberDef callback_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct callback, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot callback_slots[] = {
    {Py_tp_dealloc, callback_dealloc}, {Py_tp_traverse, callback_traverse}, {Py_tp_call, PyVectorcall_Call},
    {Py_nb_bool, callback_bool},       {Py_tp_members, callback_members},   {0, NULL},
};

PyType_Spec callback_spec = {
    .name = "greenletprofiler._native.Callback",
    .basicsize = sizeof(struct callback),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callback_slots,
};
