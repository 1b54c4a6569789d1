/* greenlet_api.h -- the few functions of greenlet that we call, through the capsule it offers to C.
 *
 * Declared here rather than by greenlet's header, so that building needs no greenlet and no translation
 * unit holds a mutable static. The indices are part of greenlet's binary interface. */
#ifndef GP_GREENLET_API_H
#define GP_GREENLET_API_H

#include "compat.h"

/* greenlet keeps its functions in an inner module, from which the outer one has them. */
enum { GREENLET_MODULES = 2 };

struct greenlet_api {
    PyObject *modules_owned[GREENLET_MODULES];
    PyTypeObject *type_borrowed;                   /* greenlet.greenlet, as long as settrace is owned */
    PyObject *(*current_owned)(void);              /* the calling thread's greenlet; may run Python code */
    int (*is_active)(PyObject *greenlet);          /* started, and not over */
    PyObject *(*parent_owned)(PyObject *greenlet); /* NULL, without an exception, for a thread's first one */
    const PyGetSetDef *frame_attribute;            /* gr_frame and gr_context of the class greenlet, ... */
    const PyGetSetDef *context_attribute;          /* ... whatever a subclass makes of them */
    PyObject *settrace_owned;
    PyObject *gettrace_owned;
};

/* -1 and an exception when greenlet cannot be imported. */
int greenlet_api_import(struct greenlet_api *api);
void greenlet_api_clear(struct greenlet_api *api);

/* The innermost frame of a suspended greenlet; None for one that runs, or is not active. NULL and an
 * exception when there is no memory. */
PyObject *greenlet_frame_owned(const struct greenlet_api *api, PyObject *greenlet);

/* Whether another thread runs this greenlet now. */
bool greenlet_runs_elsewhere(const struct greenlet_api *api, PyObject *greenlet);

/* The first greenlet of the thread that a greenlet belongs to. Borrowed: its descendants hold it. */
PyObject *greenlet_root_borrowed(const struct greenlet_api *api, PyObject *greenlet);

#endif
