/* floor.c -- what any profiler in C must pay: callbacks that do nothing, and the reading of a clock.
 *
 *      start(builtins)     the interpreter tells of each call and return, and nothing is done with it
 *      stop()
 *      switched            for greenlet.settrace(): told of each switch, does nothing
 *      read_stamps()       reads the time-stamp counter STAMPS times
 *
 * The events are those that the profiler asks for: floor_monitoring.c on Python 3.12 and later, floor_setprofile.c
 * before. The Makefile compiles one of the two. */
#include "floor.h"

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

static PyObject *
start(PyObject *module, PyObject *builtins)
{
    (void)module;
    int wanted = PyObject_IsTrue(builtins);
    return wanted < 0 ? NULL : floor_begin(wanted);
}

static PyObject *
stop(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return floor_end();
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
