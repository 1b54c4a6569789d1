/* module.h -- what all objects of one copy of the module share (PEP 489, 573). */
#ifndef GP_MODULE_H
#define GP_MODULE_H

#include "compat.h"
#include "greenlet_api.h"

struct tracer;

struct module_state {
    PyTypeObject *recorder_type_owned;
    PyTypeObject *callback_type_owned;
    PyTypeObject *switch_hook_type_owned;
    PyTypeObject *sentinel_type_owned;
    PyObject *tool_ids_taken_owned;
    PyObject *busy_owned;
    PyObject *not_running_owned;
    PyObject *monitoring_owned; /* sys.monitoring; NULL before 3.12 */
    int event_bits[12];         /* its number for each event that we use */
    int any_event_bit;
    PyObject *freeze_count_owned;  /* gc.get_freeze_count */
    PyObject *disable_owned;       /* sys.monitoring.DISABLE; NULL before 3.12 */
    PyObject *module_name_owned;   /* "__module__" */
    PyObject *module_global_owned; /* "__name__" */
    PyObject *spec_name_owned;     /* "__spec__" */
    PyObject *name_name_owned;     /* "name" */
    PyObject *spawning_name_owned; /* "spawning_stack", of gevent's greenlets, and what its frames have: */
    PyObject *code_name_owned;     /* "f_code" */
    PyObject *line_name_owned;     /* "f_lineno" */
    PyObject *back_name_owned;     /* "f_back" */
    PyObject *thread_name_owned;   /* "_name", where threading.Thread keeps it */
    PyObject *sentinel_key_owned;  /* of a thread's sentinel in its thread-state dict */
    struct greenlet_api greenlet;
    PyObject *settrace_stand_in_owned;
    PyObject *gettrace_stand_in_owned;
    size_t hooks_left_behind; /* of sessions that are over, in place until their threads switch */

    Py_ssize_t code_slot;   /* where code objects carry their key */
    uint64_t next_code_key; /* odd, so that it is no address of ours or of the interpreter's */

    /* How the interpreter calls Python code on behalf of a type: to tell such types from C ones. */
    ternaryfunc slot_call;
    initproc slot_init;
    newfunc slot_new;
    PyTypeObject *method_wrapper_borrowed;  /* type of `x.__len__`; static */
    const PyMethodDef *type_new_method;     /* `__new__`, which all C types share */
    const PyMethodDef *start_thread_method; /* _thread.start_new_thread */
    const PyMethodDef *start_thread_alias;  /* _thread.start_new */

    struct tracer *running_borrowed; /* the one that records now, or NULL */
    bool watches_forks;              /* fork_watch() has been called */
};

struct module_state *module_state_of_type(PyTypeObject *type);

#endif
