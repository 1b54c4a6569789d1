/* floor_setprofile.c -- a profile function that does nothing (CPython 3.10 and 3.11). */
#include "floor.h"

static int
no_event(PyObject *self, PyFrameObject *frame, int what, PyObject *argument)
{
    (void)self;
    (void)frame;
    (void)what;
    (void)argument;
    return 0;
}

PyObject *
floor_begin(int builtins)
{
    (void)builtins; /* told in either case */
    PyEval_SetProfile(no_event, NULL);
    Py_RETURN_NONE;
}

PyObject *
floor_end(void)
{
    PyEval_SetProfile(NULL, NULL);
    Py_RETURN_NONE;
}
