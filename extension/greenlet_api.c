/* greenlet_api.c -- finding greenlet's functions. */
#include "greenlet_api.h"

enum {
    API_TYPE = 0,
    API_GET_CURRENT = 4,
    API_IS_ACTIVE = 10,
    API_PARENT = 11,
};

/* The capsule holds functions as object pointers. */
static void
copy_function(void *target, void *const *table, int index)
{
    memcpy(target, &table[index], sizeof(void *));
}

/* NULL and an exception when greenlets have no such attribute. */
static const PyGetSetDef *
find_attribute(const struct greenlet_api *api, const char *name)
{
    const PyGetSetDef *attribute = api->type_borrowed->tp_getset;
    while (attribute != NULL && attribute->name != NULL && strcmp(attribute->name, name) != 0) {
        attribute++;
    }
    if (attribute == NULL || attribute->name == NULL) {
        PyErr_Format(PyExc_ImportError, "this version of greenlet has no attribute %s", name);
        return NULL;
    }
    return attribute;
}

int
greenlet_api_import(struct greenlet_api *api)
{
    PyObject *greenlet_owned = PyImport_ImportModule("greenlet");
    if (greenlet_owned == NULL) {
        return -1;
    }
    api->settrace_owned = PyObject_GetAttrString(greenlet_owned, "settrace");
    api->gettrace_owned = PyObject_GetAttrString(greenlet_owned, "gettrace");
    Py_DECREF(greenlet_owned);
    void *const *table = PyCapsule_Import("greenlet._C_API", 0);
    if (table == NULL || api->settrace_owned == NULL || api->gettrace_owned == NULL) {
        return -1;
    }
    api->type_borrowed = (PyTypeObject *)table[API_TYPE];
    copy_function(&api->current_owned, table, API_GET_CURRENT);
    copy_function(&api->parent_owned, table, API_PARENT);
    copy_function(&api->is_active, table, API_IS_ACTIVE);
    api->frame_attribute = find_attribute(api, "gr_frame");
    api->context_attribute = find_attribute(api, "gr_context");
    return api->frame_attribute != NULL && api->context_attribute != NULL ? 0 : -1;
}

void
greenlet_api_clear(struct greenlet_api *api)
{
    Py_CLEAR(api->settrace_owned);
    Py_CLEAR(api->gettrace_owned);
}

PyObject *
greenlet_frame_owned(const struct greenlet_api *api, PyObject *greenlet)
{
    return api->frame_attribute->get(greenlet, api->frame_attribute->closure);
}

/* greenlet refuses to tell the context of such a greenlet, and of no other. */
bool
greenlet_runs_elsewhere(const struct greenlet_api *api, PyObject *greenlet)
{
    PyObject *context_owned = api->context_attribute->get(greenlet, api->context_attribute->closure);
    bool refused = context_owned == NULL && PyErr_ExceptionMatches(PyExc_ValueError);
    PyErr_Clear();
    Py_XDECREF(context_owned);
    return refused;
}

PyObject *
greenlet_root_borrowed(const struct greenlet_api *api, PyObject *greenlet)
{
    PyObject *root = greenlet;
    PyObject *parent_owned = api->parent_owned(root);
    while (parent_owned != NULL) {
        root = parent_owned;
        Py_DECREF(parent_owned); /* its child holds it */
        parent_owned = api->parent_owned(root);
    }
    return root;
}
