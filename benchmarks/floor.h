/* floor.h -- having the interpreter tell of calls and returns, and not. NULL and an exception where that fails. */
#ifndef FLOOR_H
#define FLOOR_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* builtins: of calls of C functions too, where one can choose. */
PyObject *floor_begin(int builtins);
PyObject *floor_end(void);

#endif
