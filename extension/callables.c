/* callables.c -- built-ins, C types and compiled functions: their keys, and what they are called. */
#include "callables.h"

#include <string.h>

static bool
is_cython_function(const PyTypeObject *type)
{
    const char *name = strrchr(type->tp_name, '.');
    return name != NULL && strcmp(name, ".cython_function_or_method") == 0 &&
           type->tp_basicsize >= (Py_ssize_t)sizeof(PyCFunctionObject) &&
           type->tp_vectorcall_offset == (Py_ssize_t)offsetof(PyCFunctionObject, vectorcall);
}

/* The interpreter points the C name of a class made by Python code into the str that is its name. A type
 * made from a spec has a C string of its own, and a module only if it was given one. */
bool
type_is_of_c(const PyTypeObject *type)
{
    const PyHeapTypeObject *heap_type = (const PyHeapTypeObject *)type;
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 || heap_type->ht_module != NULL) {
        return true;
    }
    const char *name = heap_type->ht_name != NULL ? PyUnicode_AsUTF8(heap_type->ht_name) : NULL;
    if (name == NULL) {
        PyErr_Clear(); /* lone surrogates: only Python code makes such names */
        return false;
    }
    return type->tp_name != name;
}

static const void *
key_of_type_call(const struct module_state *state, const PyTypeObject *type)
{
    bool runs_python = Py_TYPE(type)->tp_call != PyType_Type.tp_call || type->tp_init == state->slot_init ||
                       type->tp_new == state->slot_new;
    return runs_python || !type_is_of_c(type) ? NULL : type;
}

/* A Python class that inherits a C call goes by the C class that it inherits it from. */
static const PyTypeObject *
type_that_is_called(const PyTypeObject *type)
{
    while (!type_is_of_c(type) && type->tp_base != NULL) {
        type = type->tp_base;
    }
    return type;
}

/* What is behind a bound slot of a C type (`x.__len__`): laid out so since Python 2.2. */
struct method_wrapper {
    PyObject ob_base;
    PyObject *descriptor_borrowed;
};

PyObject *
callable_unwrap(const struct module_state *state, PyObject *callable)
{
    if (Py_IS_TYPE(callable, state->method_wrapper_borrowed)) {
        return ((struct method_wrapper *)callable)->descriptor_borrowed;
    }
    while (Py_IS_TYPE(callable, &PyMethod_Type)) {
        callable = PyMethod_GET_FUNCTION(callable);
    }
    return callable;
}

/* All C types share one PyMethodDef for `__new__`: it is keyed by a place inside its type. */
static const void *
key_of_new(const PyCFunctionObject *function)
{
    const PyTypeObject *type = (const PyTypeObject *)function->m_self;
    return type_is_of_c(type) ? (const char *)type + 1 : NULL;
}

/* Unwrapped. */
static const void *
key_of_callable(const struct module_state *state, PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (type == &PyFunction_Type || type == &PyStaticMethod_Type || type->tp_call == state->slot_call ||
        type->tp_call == NULL) {
        return NULL; /* the last: not a callable, and about to fail */
    }
    if (PyType_Check(callable)) {
        return key_of_type_call(state, (PyTypeObject *)callable);
    }
    if (PyCFunction_CheckExact(callable) || PyCMethod_CheckExact(callable) || is_cython_function(type)) {
        const PyMethodDef *method = ((PyCFunctionObject *)callable)->m_ml;
        return method == state->type_new_method ? key_of_new((PyCFunctionObject *)callable) : method;
    }
    if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type) {
        return ((PyMethodDescrObject *)callable)->d_method;
    }
    if (type == &PyWrapperDescr_Type) {
        return callable;
    }
    return type_that_is_called(type);
}

const void *
callable_key(const struct module_state *state, PyObject *callable)
{
    const void *key = callable_key_at_hand(state, callable);
    return key != NULL ? key : key_of_callable(state, callable_unwrap(state, callable));
}

/* `gevent.event.Event` -> owner `gevent.event`, name `Event`; a name without a dot is of `builtins`. */
void
type_describe(struct description *description, const PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.');
    description->name = text_of_c_string(dot != NULL ? dot + 1 : type->tp_name);
    description->owner = text_of_c_string(dot != NULL ? type->tp_name : "builtins");
    if (dot != NULL) {
        description->owner.length = (size_t)(dot - type->tp_name);
    }
}

/* The type among whose methods this one stands, or NULL. */
static const PyTypeObject *
type_that_defines(const PyTypeObject *type, const PyMethodDef *method)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t index = 0; mro != NULL && index < PyTuple_GET_SIZE(mro); index++) {
        const PyTypeObject *base = (const PyTypeObject *)PyTuple_GET_ITEM(mro, index);
        for (const PyMethodDef *each = base->tp_methods; each != NULL && each->ml_name != NULL; each++) {
            if (each == method) {
                return base;
            }
        }
    }
    return NULL;
}

static void
describe_module_function(struct description *description, PyCFunctionObject *function)
{
    PyObject *module = function->m_module;
    description->kind = KIND_FUNCTION;
    if (module != NULL && PyUnicode_Check(module)) {
        description->owner = text_borrowed(module);
    }
}

static void
describe_c_function(struct description *description, PyCFunctionObject *function)
{
    PyObject *self = function->m_self;
    const PyTypeObject *owner = NULL;
    description->name = text_of_c_string(function->m_ml->ml_name);
    if (self != NULL && PyType_Check(self) && strcmp(function->m_ml->ml_name, "__new__") == 0) {
        owner = (const PyTypeObject *)self;
        description->kind = KIND_METHOD;
    } else if (self != NULL && !PyModule_Check(self)) {
        bool of_class = PyType_Check(self) && (function->m_ml->ml_flags & METH_CLASS) != 0;
        owner = type_that_defines(of_class ? (PyTypeObject *)self : Py_TYPE(self), function->m_ml);
        description->kind = of_class ? KIND_CLASSMETHOD : KIND_METHOD;
    }
    if (owner != NULL) {
        description->owner = text_of_c_string(owner->tp_name);
    } else {
        describe_module_function(description, function);
    }
}

static void
describe_descriptor(struct description *description, PyObject *descriptor)
{
    description->kind = Py_IS_TYPE(descriptor, &PyMethodDescr_Type)        ? KIND_METHOD
                        : Py_IS_TYPE(descriptor, &PyClassMethodDescr_Type) ? KIND_CLASSMETHOD
                                                                           : KIND_SLOT;
    description->name = text_borrowed(PyDescr_NAME(descriptor));
    description->owner = text_of_c_string(PyDescr_TYPE(descriptor)->tp_name);
}

/* Cython's functions answer for their names like Python's; asking makes no new object. */
static void
describe_cython_function(struct description *description, PyObject *function)
{
    PyObject *qualname = PyObject_GetAttrString(function, "__qualname__");
    PyObject *module = PyObject_GetAttrString(function, "__module__");
    description->kind = KIND_CYTHON;
    description->name = text_of_c_string(((PyCFunctionObject *)function)->m_ml->ml_name);
    if (qualname != NULL && PyUnicode_Check(qualname)) {
        description->name = text_borrowed(qualname);
    }
    if (module != NULL && PyUnicode_Check(module)) {
        description->owner = text_borrowed(module);
    }
    PyErr_Clear();
    Py_XDECREF(qualname); /* the function goes on holding both */
    Py_XDECREF(module);
}

void
callable_describe(struct description *description, PyObject *callable)
{
    PyTypeObject *type = Py_TYPE(callable);
    if (PyCFunction_CheckExact(callable) || PyCMethod_CheckExact(callable)) {
        describe_c_function(description, (PyCFunctionObject *)callable);
    } else if (is_cython_function(type)) {
        describe_cython_function(description, callable);
    } else if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type ||
               type == &PyWrapperDescr_Type) {
        describe_descriptor(description, callable);
    } else if (PyType_Check(callable)) {
        description->kind = KIND_TYPE;
        type_describe(description, (PyTypeObject *)callable);
    } else {
        description->kind = KIND_CALLABLE;
        type_describe(description, type_that_is_called(type));
    }
}
