/* qualname.c -- from the code object that knows, or from the function that runs it. */
#include "qualname.h"

#if COMPAT_CODE_KNOWS_QUALNAME

PyObject *
qualname_of_code_borrowed(const PyCodeObject *code)
{
    return code->co_qualname;
}

PyObject *
qualname_borrowed(const PyCodeObject *code, compat_frame *frame)
{
    (void)frame;
    return code->co_qualname;
}

#else

PyObject *
qualname_of_code_borrowed(const PyCodeObject *code)
{
    (void)code;
    return NULL;
}

/* 3.10's code objects do not know their qualified names. The function that runs this code does: it is
 * looked for among the globals and, for a method, in the classes of the first argument. */
static PyObject *
qualname_if_function_of(PyObject *names, const PyCodeObject *code)
{
    PyObject *found =
        names != NULL && PyDict_Check(names) ? PyDict_GetItemWithError(names, code->co_name) : NULL;
    if (found != NULL &&
        (Py_IS_TYPE(found, &PyClassMethod_Type) || Py_IS_TYPE(found, &PyStaticMethod_Type))) {
        found = PyObject_GetAttrString(found, "__func__");
        Py_XDECREF(found); /* the method object holds it */
    }
    if (found != NULL && PyFunction_Check(found) && PyFunction_GET_CODE(found) == (const PyObject *)code) {
        return ((PyFunctionObject *)found)->func_qualname;
    }
    return NULL;
}

PyObject *
qualname_borrowed(const PyCodeObject *code, compat_frame *frame)
{
    PyObject *qualname = qualname_if_function_of(compat_frame_globals(frame), code);
    PyObject *self = code->co_argcount > 0 ? compat_frame_first_local(frame) : NULL;
    if (qualname != NULL || self == NULL) {
        return qualname;
    }
    PyTypeObject *type = PyType_Check(self) ? (PyTypeObject *)self : Py_TYPE(self);
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t index = 0; mro != NULL && qualname == NULL && index < PyTuple_GET_SIZE(mro); index++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, index);
        qualname = qualname_if_function_of(base->tp_dict, code);
    }
    return qualname;
}

#endif
