/* filters.h -- which functions are recorded: patterns on modules and file names.
 *
 *      a function is passed over      if an excluding pattern matches
 *                                     or there are including ones, and none of them does
 *
 * A pattern that a user wrote is a number here, for it may take several globs ("gevent" is also "gevent.*",
 * "stdlib" is hundreds of names). All patterns are tried on each function, so that it is known of each one
 * whether it ever matched. That is done once a function, at its first sight, on borrowed text.
 *
 * A glob is what Python's fnmatch takes it for: *, ?, [seq], [!seq], and any other character for itself.
 *
 * Ownership: the filters own copies of their globs. */
#ifndef GP_FILTERS_H
#define GP_FILTERS_H

#include "text.h"

struct filter {
    struct text glob;
    size_t pattern;
    bool excludes;
    bool is_path; /* to be matched with file names, not with names of modules */
};

struct filters {
    struct filter *all;
    size_t count;
    bool *matched; /* by pattern */
    size_t pattern_count;
    bool includes; /* there is an including pattern */
};

/* What filters look at. A module that runs as the program has two names. */
struct origin {
    struct text filename;
    struct text module; /* empty: not known */
    struct text program;
};

/* tuples: of (number of the pattern, from 0 on; whether it excludes; whether it is a path; glob). -1 and an
 * exception; filters_dispose() is right all the same. */
int filters_set(struct filters *filters, struct memory *memory, PyObject *tuples);
void filters_dispose(struct filters *filters, struct memory *memory);

bool filters_exclude(const struct filters *filters, const struct origin *origin);

/* A tuple of the numbers of the patterns that matched something. NULL and an exception. */
PyObject *filters_matched(const struct filters *filters);

#endif
