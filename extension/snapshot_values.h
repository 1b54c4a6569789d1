/* snapshot_values.h -- what was copied of a recording, as lists and tuples.
 *
 * All of these return a new list, or NULL and an exception, and let other threads run now and then. Once the rows
 * are known: see rows_fill(). */
#ifndef GP_SNAPSHOT_VALUES_H
#define GP_SNAPSHOT_VALUES_H

#include "snapshot_rows.h"

/* What values are made of. */
struct snapshot_source {
    const struct tracer *tracer;
    const struct recording_copy *copy;
    const struct thread_row *threads;
};

PyObject *snapshot_functions(const struct snapshot_source *source);
PyObject *snapshot_threads(const struct snapshot_source *source); /* the oldest first */
PyObject *snapshot_greenlets(const struct snapshot_source *source);
PyObject *snapshot_notes(const struct snapshot_source *source);
PyObject *snapshot_slice_kinds(const struct snapshot_source *source);
PyObject *snapshot_blocking_slices(const struct snapshot_source *source);
PyObject *snapshot_culprits(const struct snapshot_source *source);

/* Of a timeline's stretches, in the order of the numbers in its column `end`. */
PyObject *snapshot_ends(const struct snapshot_source *source);

#endif
