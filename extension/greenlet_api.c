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

static int
import_modules(struct greenlet_api *api)
{
    static const char *const names[GREENLET_MODULES] = {"greenlet", "greenlet._greenlet"};
    for (int index = 0; index < GREENLET_MODULES; index++) {
        api->modules_owned[index] = PyImport_ImportModule(names[index]);
        if (api->modules_owned[index] == NULL) {
            return -1;
        }
    }
    return 0;
}

int
greenlet_api_import(struct greenlet_api *api)
{
    if (import_modules(api) < 0) {
        return -1;
    }
    api->settrace_owned = PyObject_GetAttrString(api->modules_owned[0], "settrace");
    api->gettrace_owned = PyObject_GetAttrString(api->modules_owned[0], "gettrace");
    void *const *table = PyCapsule_Import("greenlet._C_API", 0);
    if (table == NULL || api->settrace_owned == NULL || api->gettrace_owned == NULL) {
        return -1;
    }
    api->type_borrowed = (PyTypeObject *)table[API_TYPE];
    copy_function(&api->current_owned, table, API_GET_CURRENT);
    copy_function(&api->is_active, table, API_IS_ACTIVE);
    copy_function(&api->parent_owned, table, API_PARENT);
    api->frame_attribute = find_attribute(api, "gr_frame");
    api->context_attribute = find_attribute(api, "gr_context");
    return api->frame_attribute != NULL && api->context_attribute != NULL ? 0 : -1;
}

void
greenlet_api_clear(struct greenlet_api *api)
{
    Py_CLEAR(api->settrace_owned);
    Py_CLEAR(api->gettrace_owned);
    for (int index = 0; index < GREENLET_MODULES; index++) {
        Py_CLEAR(api->modules_owned[index]);
    }
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
