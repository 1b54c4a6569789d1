/* greenlet_api.h -- the few functions of greenlet that we call, through the capsule it offers to C.
 *
 * Declared here rather than by greenlet's header, so that building needs no greenlet and no translation
 * unit holds a mutable static. The indices are part of greenlet's binary interface. */
#ifndef GP_GREENLET_API_H
#define GP_GREENLET_API_H

#include "compat.h"

struct greenlet_api {
    PyTypeObject *type_borrowed;          /* greenlet.greenlet, as long as settrace is owned */
    PyObject *(*current_owned)(void);     /* the calling thread's greenlet; may run Python code */
    int (*is_active)(PyObject *greenlet); /* started, and not over */
    int (*is_main)(PyObject *greenlet);   /* a thread's first greenlet */
    PyObject *settrace_owned;
    PyObject *gettrace_owned;
};

/* -1 and an exception when greenlet cannot be imported. */
int greenlet_api_import(struct greenlet_api *api);
void greenlet_api_clear(struct greenlet_api *api);

#endif
