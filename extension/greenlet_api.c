/* greenlet_api.c -- finding greenlet's functions. */
#include "greenlet_api.h"

enum {
    API_TYPE = 0,
    API_GET_CURRENT = 4,
    API_IS_MAIN = 8,
    API_IS_ACTIVE = 10,
};

/* The capsule holds functions as object pointers. */
static void
copy_function(void *target, void *const *table, int index)
{
    memcpy(target, &table[index], sizeof(void *));
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
    copy_function(&api->is_main, table, API_IS_MAIN);
    copy_function(&api->is_active, table, API_IS_ACTIVE);
    return 0;
}

void
greenlet_api_clear(struct greenlet_api *api)
{
    Py_CLEAR(api->settrace_owned);
    Py_CLEAR(api->gettrace_owned);
}
