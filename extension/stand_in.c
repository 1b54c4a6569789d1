/* stand_in.c -- greenlet.settrace() and gettrace() with our hook left out of sight. */
#include "stand_in.h"

#include "tracer.h"

static struct module_state *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static bool
is_hook(const struct module_state *state, PyObject *function)
{
    return Py_IS_TYPE(function, state->switch_hook_type_owned);
}

/* None stands for no function, and so does our own hook: a program that got hold of it never set it. */
static void
put_behind(struct module_state *state, struct switch_hook *hook, PyObject *function)
{
    bool is_none = function == Py_None || is_hook(state, function);
    Py_XSETREF(hook->previous_owned, is_none ? NULL : Py_NewRef(function));
}

static PyObject *
behind_owned(struct switch_hook *hook)
{
    return Py_NewRef(hook->previous_owned != NULL ? hook->previous_owned : Py_None);
}

/* The hook of the calling thread while it is recorded, or NULL. */
static struct switch_hook *
hook_of_thread(const struct module_state *state)
{
    struct traced_thread *traced = NULL;
    if (state->running_borrowed != NULL) {
        traced = threads_find(state->running_borrowed, compat_thread_state_id(compat_thread_state()));
    }
    return traced != NULL ? traced->hook_owned : NULL;
}

/* Greenlet's own settrace(); what was there is returned. Then our hook, if there is one, goes before it. */
static PyObject *
set_before_all(struct module_state *state, PyObject *function)
{
    struct switch_hook *hook = hook_of_thread(state);
    PyObject *before_owned = PyObject_CallOneArg(state->greenlet.settrace_owned, function);
    if (before_owned == NULL || hook == NULL) {
        return before_owned;
    }
    put_behind(state, hook, function);
    PyObject *set_owned = PyObject_CallOneArg(state->greenlet.settrace_owned, (PyObject *)hook);
    if (set_owned == NULL) {
        Py_CLEAR(before_owned);
    }
    Py_XDECREF(set_owned);
    return before_owned;
}

static PyObject *
stand_in_settrace(PyObject *module, PyObject *function)
{
    struct module_state *state = state_of(module);
    PyObject *now_owned = PyObject_CallNoArgs(state->greenlet.gettrace_owned);
    if (now_owned == NULL || !is_hook(state, now_owned)) {
        Py_XDECREF(now_owned);
        return now_owned != NULL ? set_before_all(state, function) : NULL;
    }
    struct switch_hook *hook = (struct switch_hook *)now_owned;
    PyObject *before_owned = behind_owned(hook);
    put_behind(state, hook, function);
    Py_DECREF(now_owned);
    return before_owned;
}

static PyObject *
stand_in_gettrace(PyObject *module, PyObject *none)
{
    (void)none;
    struct module_state *state = state_of(module);
    PyObject *now_owned = PyObject_CallNoArgs(state->greenlet.gettrace_owned);
    if (now_owned != NULL && is_hook(state, now_owned)) {
        Py_SETREF(now_owned, behind_owned((struct switch_hook *)now_owned));
    }
    return now_owned;
}

/* -- in place and out of it ---------------------------------------------------------------------- */

static PyMethodDef settrace_method = {
    "settrace", stand_in_settrace, METH_O,
    "settrace(callback) -> the one before\n\n"
    "Sets a function to be called at each switch of this thread's greenlets."};
static PyMethodDef gettrace_method = {"gettrace", stand_in_gettrace, METH_NOARGS,
                                      "gettrace() -> the function that settrace() set, or None"};

int
stand_in_init(PyObject *module, struct module_state *state)
{
    state->settrace_stand_in_owned = PyCFunction_NewEx(&settrace_method, module, NULL);
    state->gettrace_stand_in_owned = PyCFunction_NewEx(&gettrace_method, module, NULL);
    return state->settrace_stand_in_owned != NULL && state->gettrace_stand_in_owned != NULL ? 0 : -1;
}

static void
replace(PyObject *module, const char *name, PyObject *expected, PyObject *replacement)
{
    PyObject *now_owned = PyObject_GetAttrString(module, name);
    if (now_owned == expected) {
        (void)PyObject_SetAttrString(module, name, replacement);
    }
    PyErr_Clear();
    Py_XDECREF(now_owned);
}

void
stand_in_place(struct module_state *state)
{
    const struct greenlet_api *greenlet = &state->greenlet;
    for (int index = 0; index < GREENLET_MODULES; index++) {
        PyObject *module = greenlet->modules_owned[index];
        replace(module, "settrace", greenlet->settrace_owned, state->settrace_stand_in_owned);
        replace(module, "gettrace", greenlet->gettrace_owned, state->gettrace_stand_in_owned);
    }
}

static void
put_back(struct module_state *state)
{
    const struct greenlet_api *greenlet = &state->greenlet;
    for (int index = 0; index < GREENLET_MODULES; index++) {
        PyObject *module = greenlet->modules_owned[index];
        replace(module, "settrace", state->settrace_stand_in_owned, greenlet->settrace_owned);
        replace(module, "gettrace", state->gettrace_stand_in_owned, greenlet->gettrace_owned);
    }
}

void
stand_in_withdraw(struct module_state *state)
{
    bool is_gone = state->greenlet.settrace_owned == NULL; /* the module is being taken apart */
    if (is_gone || state->running_borrowed != NULL || state->hooks_left_behind > 0) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    put_back(state);
    PyErr_Restore(type, value, traceback);
}
