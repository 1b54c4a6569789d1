/* callables.h -- what is called when it is not Python code.
 *
 *      a C function     keyed by its PyMethodDef (bound, unbound and borrowed methods share it)
 *      a C type         keyed by its address; its __new__ by a place inside it
 *      a slot wrapper   keyed by its address
 *      other callables  keyed by their type
 *
 * A callable that leads straight to Python code has no key: the Python function's own event tells of it.
 * Nothing here binds a descriptor, runs Python code or makes an object that outlives the call. */
#ifndef GP_CALLABLES_H
#define GP_CALLABLES_H

#include "compat.h"
#include "description.h"
#include "module.h"

/* The key of what is called, NULL when Python code does the work or nothing can tell it from others. */
const void *callable_key(const struct module_state *state, PyObject *callable);

/* The same, of the commonest callables: what is defined in C, and can be defined nowhere else. NULL for all others. */
static inline const void *
callable_key_at_hand(const struct module_state *state, PyObject *callable)
{
    const PyTypeObject *type = Py_TYPE(callable);
    if (type == &PyMethodDescr_Type) {
        return ((PyMethodDescrObject *)callable)->d_method;
    }
    if (type == &PyCFunction_Type) {
        const PyMethodDef *method = ((PyCFunctionObject *)callable)->m_ml;
        return method != state->type_new_method ? method : NULL;
    }
    bool is_static_type =
        type == &PyType_Type && (((PyTypeObject *)callable)->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0;
    return is_static_type ? callable : NULL;
}

/* What is behind bound methods; borrowed. */
PyObject *callable_unwrap(const struct module_state *state, PyObject *callable);

/* Names an unwrapped callable. */
void callable_describe(struct description *description, PyObject *callable);

/* Whether a type is written in C: static, or made from a spec by a module. */
bool type_is_of_c(const PyTypeObject *type);

/* Names a C type: `gevent.event.Event` is `Event` of `gevent.event`. */
void type_describe(struct description *description, const PyTypeObject *type);

#endif
