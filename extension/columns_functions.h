/* columns_functions.h -- the folds of core/columns.h, as functions of the module. */
#ifndef GP_COLUMNS_FUNCTIONS_H
#define GP_COLUMNS_FUNCTIONS_H

#include "compat.h"

extern PyMethodDef columns_functions[];

#endif
