/* module.c -- the extension module greenletprofiler._native: its state, its types, its exceptions.
 *
 * Multi-phase initialisation (PEP 489); all state is in the module's, nothing is static and mutable. */
#include "module.h"

#include <string.h>

#include "columns_functions.h"
#include "stand_in.h"
#include "tracer.h"

static struct PyModuleDef native_module;

static struct module_state *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* Our types are never subclassed, so the module is at hand. */
struct module_state *
module_state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(type);
}

/* -- what the interpreter does not tell by name -------------------------------------------------- */

/* A class that defines __call__, __init__ and __new__ in Python shows how the interpreter gets there. */
static int
learn_python_slots(struct module_state *state)
{
    PyObject *class_owned =
        PyObject_CallFunction((PyObject *)&PyType_Type, "s(){sOsOsO}", "Probe", "__call__", Py_None,
                              "__init__", Py_None, "__new__", Py_None);
    if (class_owned == NULL) {
        return -1;
    }
    state->slot_call = ((PyTypeObject *)class_owned)->tp_call;
    state->slot_init = ((PyTypeObject *)class_owned)->tp_init;
    state->slot_new = ((PyTypeObject *)class_owned)->tp_new;
    PyObject *wrapper_owned = PyObject_GetAttrString(Py_None, "__repr__");
    Py_DECREF(class_owned);
    if (wrapper_owned == NULL) {
        return -1;
    }
    state->method_wrapper_borrowed = Py_TYPE(wrapper_owned);
    Py_DECREF(wrapper_owned);
    return 0;
}

/* The PyMethodDef of a C function; NULL and an exception when it is none. */
static const PyMethodDef *
method_of(PyObject *owner, const char *name)
{
    PyObject *function_owned = PyObject_GetAttrString(owner, name);
    if (function_owned == NULL || !PyCFunction_Check(function_owned)) {
        PyErr_Format(PyExc_ImportError, "%s is not the function that it is in CPython", name);
        Py_XDECREF(function_owned);
        return NULL;
    }
    const PyMethodDef *method = ((PyCFunctionObject *)function_owned)->m_ml;
    Py_DECREF(function_owned);
    return method;
}

/* The PyMethodDef that a module of C code defines, whatever a program put in the function's place; NULL when
 * there is none. */
static const PyMethodDef *
method_defined_by(PyObject *module, const char *name)
{
    const PyModuleDef *definition = PyModule_GetDef(module);
    const PyMethodDef *each = definition != NULL ? definition->m_methods : NULL;
    while (each != NULL && each->ml_name != NULL && strcmp(each->ml_name, name) != 0) {
        each++;
    }
    PyErr_Clear();
    return each != NULL && each->ml_name != NULL ? each : NULL;
}

/* gevent and eventlet replace functions in `_thread`, and go on starting threads by those that were there. */
static int
learn_methods(struct module_state *state)
{
    state->type_new_method = method_of((PyObject *)&PyBaseObject_Type, "__new__");
    PyObject *thread_owned = PyImport_ImportModule("_thread");
    if (thread_owned == NULL || state->type_new_method == NULL) {
        Py_XDECREF(thread_owned);
        return -1;
    }
    state->start_thread_method = method_defined_by(thread_owned, "start_new_thread");
    state->start_thread_alias = method_defined_by(thread_owned, "start_new");
    Py_DECREF(thread_owned);
    return 0;
}

/* Writes into a code object's slot by the interpreter's function and reads it back by ours. */
static int
learn_code_slot(struct module_state *state)
{
    state->code_slot = compat_code_extra_request();
    PyCodeObject *code_owned = PyCode_NewEmpty("probe", "probe", 1);
    if (code_owned == NULL || state->code_slot < 0) {
        Py_XDECREF((PyObject *)code_owned);
        return -1;
    }
    int failed = compat_code_extra_set(code_owned, state->code_slot, state);
    if (failed == 0 && compat_code_extra_get(code_owned, state->code_slot) != state) {
        PyErr_SetString(PyExc_ImportError, "this Python keeps code objects' extra slots in an unknown way");
        failed = -1;
    }
    Py_DECREF((PyObject *)code_owned);
    return failed;
}

static int
learn_freeze_count(struct module_state *state)
{
    PyObject *gc_owned = PyImport_ImportModule("gc");
    state->freeze_count_owned =
        gc_owned != NULL ? PyObject_GetAttrString(gc_owned, "get_freeze_count") : NULL;
    Py_XDECREF(gc_owned);
    return state->freeze_count_owned != NULL ? 0 : -1;
}

static int
intern_names(struct module_state *state)
{
    const struct {
        PyObject **owned;
        const char *name;
    } names[] = {
        {&state->module_name_owned, "__module__"},
        {&state->thread_name_owned, "_name"},
        {&state->sentinel_key_owned, "greenletprofiler._native.sentinel"},
        {&state->module_global_owned, "__name__"},
        {&state->spec_name_owned, "__spec__"},
        {&state->name_name_owned, "name"},
        {&state->spawning_name_owned, "spawning_stack"},
        {&state->code_name_owned, "f_code"},
        {&state->line_name_owned, "f_lineno"},
        {&state->back_name_owned, "f_back"},
    };
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        *names[index].owned = PyUnicode_InternFromString(names[index].name);
        if (*names[index].owned == NULL) {
            return -1;
        }
    }
    return 0;
}

/* -- types and exceptions ------------------------------------------------------------------------ */

static int
make_type(PyObject *module, PyType_Spec *spec, PyTypeObject **type_owned)
{
    *type_owned = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *type_owned != NULL ? 0 : -1;
}

static int
make_exception(PyObject *module, const char *name, const char *doc, PyObject **exception_owned)
{
    *exception_owned = PyErr_NewExceptionWithDoc(name, doc, NULL, NULL);
    if (*exception_owned == NULL) {
        return -1;
    }
    return PyModule_AddObjectRef(module, strrchr(name, '.') + 1, *exception_owned);
}

static int
native_exec(PyObject *module)
{
    struct module_state *state = state_of(module);
    state->next_code_key = 1;
    if (greenlet_api_import(&state->greenlet) < 0 || learn_python_slots(state) < 0 ||
        learn_methods(state) < 0 || learn_code_slot(state) < 0 || learn_freeze_count(state) < 0 ||
        source_learn(state) < 0 || intern_names(state) < 0) {
        return -1;
    }
    if (make_type(module, &recorder_spec, &state->recorder_type_owned) < 0 ||
        make_type(module, &callback_spec, &state->callback_type_owned) < 0 ||
        make_type(module, &switch_hook_spec, &state->switch_hook_type_owned) < 0 ||
        make_type(module, &sentinel_spec, &state->sentinel_type_owned) < 0 ||
        stand_in_init(module, state) < 0) {
        return -1;
    }
    if (make_exception(module, "greenletprofiler._native.ToolIdsTaken",
                       "start(): every tool id of sys.monitoring that a profiler may use is in use.",
                       &state->tool_ids_taken_owned) < 0 ||
        make_exception(module, "greenletprofiler._native.Busy",
                       "start(): a recorder is running in this interpreter.", &state->busy_owned) < 0 ||
        make_exception(module, "greenletprofiler._native.NotRunning", "stop(): the recorder is not running.",
                       &state->not_running_owned) < 0) {
        return -1;
    }
    return PyModule_AddType(module, state->recorder_type_owned);
}

/* -- the module's life --------------------------------------------------------------------------- */

static int
native_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *state = state_of(module);
    Py_VISIT((PyObject *)state->recorder_type_owned);
    Py_VISIT((PyObject *)state->callback_type_owned);
    Py_VISIT((PyObject *)state->switch_hook_type_owned);
    Py_VISIT((PyObject *)state->sentinel_type_owned);
    Py_VISIT(state->tool_ids_taken_owned);
    Py_VISIT(state->busy_owned);
    Py_VISIT(state->not_running_owned);
    Py_VISIT(state->greenlet.settrace_owned);
    Py_VISIT(state->greenlet.gettrace_owned);
    for (int index = 0; index < GREENLET_MODULES; index++) {
        Py_VISIT(state->greenlet.modules_owned[index]);
    }
    Py_VISIT(state->monitoring_owned);
    Py_VISIT(state->disable_owned);
    Py_VISIT(state->freeze_count_owned);
    Py_VISIT(state->settrace_stand_in_owned);
    Py_VISIT(state->gettrace_stand_in_owned);
    return 0;
}

static int
native_clear(PyObject *module)
{
    struct module_state *state = state_of(module);
    Py_CLEAR(state->recorder_type_owned);
    Py_CLEAR(state->callback_type_owned);
    Py_CLEAR(state->switch_hook_type_owned);
    Py_CLEAR(state->sentinel_type_owned);
    Py_CLEAR(state->tool_ids_taken_owned);
    Py_CLEAR(state->busy_owned);
    Py_CLEAR(state->not_running_owned);
    Py_CLEAR(state->monitoring_owned);
    Py_CLEAR(state->disable_owned);
    Py_CLEAR(state->freeze_count_owned);
    Py_CLEAR(state->module_name_owned);
    Py_CLEAR(state->thread_name_owned);
    Py_CLEAR(state->sentinel_key_owned);
    Py_CLEAR(state->module_global_owned);
    Py_CLEAR(state->spec_name_owned);
    Py_CLEAR(state->name_name_owned);
    Py_CLEAR(state->spawning_name_owned);
    Py_CLEAR(state->code_name_owned);
    Py_CLEAR(state->line_name_owned);
    Py_CLEAR(state->back_name_owned);
    Py_CLEAR(state->settrace_stand_in_owned);
    Py_CLEAR(state->gettrace_stand_in_owned);
    greenlet_api_clear(&state->greenlet);
    return 0;
}

static void
native_free(void *module)
{
    (void)native_clear(module);
}

static PyModuleDef_Slot native_slots[] = {
    {Py_mod_exec, native_exec},
    {0, NULL},
};

static struct PyModuleDef native_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "greenletprofiler._native",
    .m_doc = "The recorder of greenletprofiler, in C.",
    .m_size = sizeof(struct module_state),
    .m_methods = columns_functions,
    .m_slots = native_slots,
    .m_traverse = native_traverse,
    .m_clear = native_clear,
    .m_free = native_free,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&native_module);
}
