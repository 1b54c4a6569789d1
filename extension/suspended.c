/* suspended.c -- finding suspended greenlets among the collector's objects, and their code. */
#include "suspended.h"

/* -- finding them -------------------------------------------------------------------------------- */

enum { OTHER_TYPES = 64 };

struct search {
    const struct module_state *state;
    PyObject *greenlets_owned; /* {address: greenlet} */
    size_t missed;
    PyTypeObject *others_borrowed[OTHER_TYPES]; /* types that were seen to be no greenlets */
};

/* There are few types and millions of objects, so what a type is not is remembered. */
static bool
is_greenlet(struct search *search, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyTypeObject **other = &search->others_borrowed[((uintptr_t)type >> 6) % OTHER_TYPES];
    if (*other == type) {
        return false;
    }
    if (PyType_IsSubtype(type, search->state->greenlet.type_borrowed)) {
        return true;
    }
    *other = type;
    return false;
}

static void
add_greenlet(struct search *search, PyObject *greenlet)
{
    PyObject *address_owned = PyLong_FromVoidPtr(greenlet);
    if (address_owned == NULL || PyDict_SetItem(search->greenlets_owned, address_owned, greenlet) < 0) {
        PyErr_Clear();
        search->missed++;
    }
    Py_XDECREF(address_owned);
}

static int
visit_object(PyObject *object, void *arg)
{
    struct search *search = arg;
    if (is_greenlet(search, object) && search->state->greenlet.is_active(object)) {
        add_greenlet(search, object);
    }
    return 1; /* go on */
}

/* The collector does not know a greenlet that is being killed for want of references, while what it does at
 * its end runs. It is found as what runs, or as the parent of what it has started. */
static void
add_running_and_parents(struct search *search)
{
    const struct greenlet_api *greenlet = &search->state->greenlet;
    PyObject *each_owned = greenlet->current_owned();
    while (each_owned != NULL) {
        if (greenlet->is_active(each_owned)) {
            add_greenlet(search, each_owned);
        }
        Py_SETREF(each_owned, greenlet->parent_owned(each_owned));
    }
    PyErr_Clear();
}

PyObject *
suspended_find_owned(const struct module_state *state, size_t *missed)
{
    struct search search = {.state = state, .greenlets_owned = PyDict_New()};
    PyObject *list_owned = NULL;
    if (search.greenlets_owned != NULL && compat_visit_objects(visit_object, &search) == 0) {
        add_running_and_parents(&search);
        list_owned = PyDict_Values(search.greenlets_owned);
    }
    PyErr_Clear();
    Py_XDECREF(search.greenlets_owned);
    *missed += search.missed + (list_owned == NULL);
    return list_owned;
}

/* -- their code objects -------------------------------------------------------------------------- */

#if COMPAT_HAS_MONITORING

/* {address: code object} of a greenlet's frames. Code objects are not keys themselves: two that are equal
 * would count as one. -1 and an exception. */
static int
add_code(PyObject *codes, PyObject *code)
{
    PyObject *address_owned = PyLong_FromVoidPtr(code);
    int failed = address_owned != NULL ? PyDict_SetItem(codes, address_owned, code) : -1;
    Py_XDECREF(address_owned);
    return failed;
}

static int
add_codes_of_frames(PyObject *codes, PyObject *innermost_owned)
{
    int failed = 0;
    PyObject *frame_owned = innermost_owned;
    while (failed == 0 && frame_owned != NULL && PyFrame_Check(frame_owned)) {
        PyObject *code_owned = (PyObject *)PyFrame_GetCode((PyFrameObject *)frame_owned);
        failed = add_code(codes, code_owned);
        Py_DECREF(code_owned);
        Py_SETREF(frame_owned, (PyObject *)PyFrame_GetBack((PyFrameObject *)frame_owned));
    }
    Py_XDECREF(frame_owned);
    return failed;
}

static size_t
add_codes_of_greenlets(const struct module_state *state, PyObject *codes, PyObject *greenlets)
{
    size_t missed = 0;
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(greenlets); index++) {
        PyObject *frame_owned = greenlet_frame_owned(&state->greenlet, PyList_GET_ITEM(greenlets, index));
        if (frame_owned == NULL || add_codes_of_frames(codes, frame_owned) < 0) {
            PyErr_Clear();
            missed++;
        }
    }
    return missed;
}

/* Frames that run, and those below them. -1 and an exception. */
static int
add_codes_of_thread(PyObject *codes, const PyThreadState *tstate)
{
    compat_frame *frame = compat_current_frame(tstate);
    int failed = 0;
    for (; failed == 0 && frame != NULL; frame = compat_frame_previous(frame)) {
        PyObject *code = (PyObject *)compat_frame_code(frame);
        failed = code != NULL ? add_code(codes, code) : 0;
    }
    return failed;
}

static size_t
add_codes_of_threads(PyObject *codes)
{
    size_t missed = 0;
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        if (add_codes_of_thread(codes, tstate) < 0) {
            PyErr_Clear();
            missed++;
        }
    }
    return missed;
}

int
local_events_set(const struct local_events *local, PyObject *code, int events)
{
    PyObject *result_owned = PyObject_CallMethod(local->monitoring_borrowed, "set_local_events", "iOi",
                                                 local->tool_id, code, events);
    Py_XDECREF(result_owned);
    return result_owned != NULL ? 0 : -1;
}

static size_t
refresh_codes(const struct local_events *local, PyObject *codes)
{
    size_t missed = 0;
    Py_ssize_t place = 0;
    PyObject *address, *code;
    while (PyDict_Next(codes, &place, &address, &code)) {
        if (local_events_set(local, code, local->kept | local->toggled) < 0 ||
            local_events_set(local, code, local->kept) < 0) {
            PyErr_Clear();
            missed++;
        }
    }
    return missed;
}

size_t
suspended_refresh(const struct module_state *state, PyObject *greenlets, const struct local_events *local)
{
    PyObject *codes_owned = PyDict_New();
    if (greenlets == NULL || codes_owned == NULL) {
        PyErr_Clear();
        Py_XDECREF(codes_owned);
        return 1;
    }
    size_t missed = add_codes_of_greenlets(state, codes_owned, greenlets);
    missed += local->kept != 0 ? add_codes_of_threads(codes_owned) : 0;
    missed += refresh_codes(local, codes_owned);
    Py_DECREF(codes_owned);
    return missed;
}

#endif
