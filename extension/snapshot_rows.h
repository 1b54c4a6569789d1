/* snapshot_rows.h -- the nodes of a copied recording as rows, in nanoseconds.
 *
 * Ticks become nanoseconds by their running sum, not one by one: each value is off by at most one, and the
 * sum of all is exactly the thread's recorded time.
 *
 * The profiler's own functions are folded out here: their time goes to the thread's own cost, what they
 * called hangs below whoever called them.
 *
 * Knows no Python, and needs no lock: it reads a copy, and writes where it is told to. */
#ifndef GP_SNAPSHOT_ROWS_H
#define GP_SNAPSHOT_ROWS_H

#include "snapshot_copy.h"

enum row_column {
    CALLS,
    RESUMES,
    PASSED_OVER,
    RUNNING_NS,
    CPU_NS,
    WAITING_NS,
    IDLE_NS,
    CONTENDED_NS,
    LAG_NS,
    ROW_COLUMNS
};

/* Room for the rows; a parent is the number of another row, or -1. */
struct rows {
    int32_t *parents;
    int32_t *functions;
    int64_t *columns[ROW_COLUMNS];
};

struct thread_row {
    int32_t root;
    int64_t lifetime_ns, own_ns;
};

struct greenlet_row {
    int64_t running_ns, cpu_ns, waiting_ns, idle_ns, contended_ns, lag_ns;
    int64_t began_ns, ended_ns; /* since the recording's first start */
    int64_t longest_slice_ns;
};

/* What becomes of each node. */
struct fates {
    unsigned char *of_nodes;
    size_t row_count;
    int32_t *rows; /* of each node of one thread at a time */
};

/* False when there is no memory. fates_free() is due in either case. */
bool fates_decide(struct fates *fates, struct recording_copy *copy);
void fates_free(struct fates *fates, struct recording_copy *copy);

/* Fills in the rows of all threads, and one entry of `threads` for each; and tells the greenlets
 * and the slices that blocked in which rows they are. */
void rows_fill(struct rows *rows, struct thread_row *threads, const struct fates *fates,
               struct recording_copy *copy);

/* Room for the entries of a timeline: when each stretch ended, since the recording's first start; whose it was; an
 * enum timeline_end; and whether it blocked. */
struct timeline_columns {
    int64_t *ended_ns;
    int64_t *greenlets;
    int32_t *threads;
    signed char *ends;
    signed char *blocked;
};

void timeline_columns_fill(struct timeline_columns *columns, const struct recording_copy *copy);

struct greenlet_row greenlet_row_of(const struct recording_copy *copy, const struct greenlet_record *record);

/* A duration, in nanoseconds. */
int64_t snapshot_ns(const struct recording_copy *copy, uint64_t ticks);

#endif
