/* qualname.h -- the qualified name of what runs in a frame: `Class.method`, `outer.<locals>.inner`. */
#ifndef GP_QUALNAME_H
#define GP_QUALNAME_H

#include "compat.h"

/* Borrowed from the code object, or from the function that runs it; NULL when neither is known. */
PyObject *qualname_borrowed(const PyCodeObject *code, compat_frame *frame);

/* The same of code that does not run: NULL where only a function knows. */
PyObject *qualname_of_code_borrowed(const PyCodeObject *code);

#endif
