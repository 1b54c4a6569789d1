/* description.h -- what a function is called, before it has a record. */
#ifndef GP_DESCRIPTION_H
#define GP_DESCRIPTION_H

#include "text.h"

#include <stdint.h>

enum function_kind {
    KIND_PYTHON,
    KIND_FUNCTION,
    KIND_METHOD,
    KIND_CLASSMETHOD,
    KIND_SLOT,
    KIND_TYPE,
    KIND_CYTHON,
    KIND_CALLABLE,
    KIND_THREAD,
    KIND_GREENLET,
    KIND_TRUNCATED,
    KIND_EXCLUDED,
    KIND_TAG,
};

/* The texts are borrowed from what is described. */
struct description {
    enum function_kind kind;
    uint32_t flags; /* of struct function */
    struct text name;
    struct text owner;
    struct text filename;
    int line;
    uint64_t number;   /* of the greenlet whose own base it is; else 0 */
    uint64_t identity; /* hash of all that makes it itself */
};

#endif
