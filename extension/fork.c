/* fork.c -- a child made by fork begins an empty recording of its own.
 *
 * The child is a copy of its parent, the recording included, but one thread is left in it: the one that
 * called fork. The interpreter tells us once it is in order again. What was recorded is the parent's and is
 * forgotten; the thread goes on in the middle of its calls, as threads do when a recording starts. Where
 * events come from is copied too and goes on by itself.
 *
 * The interpreter never forgets whom it has to tell, so it is asked to when the first recording starts. */
#include "tracer.h"

static PyObject *
after_in_child(PyObject *module, PyObject *none)
{
    struct module_state *state = PyModule_GetState(module);
    struct tracer *tracer_owned = state->running_borrowed;
    (void)none;
    if (tracer_owned != NULL) {
        Py_INCREF((PyObject *)tracer_owned); /* what dies with the other threads may run any code */
        tracer_begin_anew(tracer_owned);
        Py_DECREF((PyObject *)tracer_owned);
    }
    Py_RETURN_NONE;
}

static PyMethodDef after_in_child_method = {"begin_anew_in_child", after_in_child, METH_NOARGS, NULL};

/* posix.register_at_fork(after_in_child=function) */
static PyObject *
register_at_fork_owned(PyObject *function)
{
    PyObject *posix_owned = PyImport_ImportModule("posix");
    PyObject *register_owned =
        posix_owned != NULL ? PyObject_GetAttrString(posix_owned, "register_at_fork") : NULL;
    PyObject *names_owned = register_owned != NULL ? Py_BuildValue("(s)", "after_in_child") : NULL;
    PyObject *result_owned =
        names_owned != NULL ? PyObject_Vectorcall(register_owned, &function, 0, names_owned) : NULL;
    Py_XDECREF(names_owned);
    Py_XDECREF(register_owned);
    Py_XDECREF(posix_owned);
    return result_owned;
}

int
fork_watch(struct module_state *state)
{
    if (state->watches_forks) {
        return 0;
    }
    PyObject *module_borrowed = PyType_GetModule(state->recorder_type_owned);
    PyObject *function_owned = PyCFunction_New(&after_in_child_method, module_borrowed);
    PyObject *result_owned = function_owned != NULL ? register_at_fork_owned(function_owned) : NULL;
    Py_XDECREF(function_owned);
    Py_XDECREF(result_owned);
    state->watches_forks = result_owned != NULL;
    return state->watches_forks ? 0 : -1;
}
