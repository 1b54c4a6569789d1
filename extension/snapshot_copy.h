/* snapshot_copy.h -- a recording as it is at one moment, in memory of its own.
 *
 *      with the GIL      recording_copy_prepare()     how much room is needed
 *      without           recording_copy_touch()       the system hands out that memory
 *      with              recording_copy_take()        all is settled and copied: nothing runs meanwhile
 *      without           (snapshot_rows.h)            it is read; what was copied does not change
 *
 * Ownership: the copy owns its arrays and texts. The functions that its nodes point to are the tracer's, and
 * never change while that lives. */
#ifndef GP_SNAPSHOT_COPY_H
#define GP_SNAPSHOT_COPY_H

#include "tracer.h"

struct thread_copy {
    struct tree_copy tree;
    const struct waits_copy *waits;
    size_t waits_count;
    size_t first_greenlet, greenlet_count; /* of those that live in it, among all */
    uint64_t id, ident, native_id, switches, polls;
    uint64_t own_ticks, recorded_ticks;
    bool alive;
    struct text name, class_name;
};

struct waits_copy {
    const struct node *node; /* of the tree that was copied */
    uint64_t waiting_ticks, contended_ticks, lag_ticks;
};

struct greenlet_copy {
    struct greenlet_record record;
    bool alive;
    bool running;
    const struct node *top; /* of the tree that was copied; NULL: nobody knows where it is */
    int32_t row;            /* of that node, once it is known; -1: none */
};

/* A slice that blocked; with it, once they are known, the rows of its nodes. */
struct slice_copy {
    struct blocking_slice slice;
    bool goes_on; /* it blocks at this moment, and is not among the recorded ones */
    int32_t culprit_row;
    int32_t sample_rows[SLICE_SAMPLES];
};

struct culprit_copy {
    struct slice_culprit culprit;
    int32_t row;
};

struct slices_copy {
    size_t kind_count, kind_capacity;
    struct slice_kind *kinds;
    size_t blocking_count, blocking_capacity;
    struct slice_copy *blocking; /* those that were kept, and those that block now */
    size_t culprit_count, culprit_capacity;
    struct culprit_copy *culprits;
    int64_t blocking_ns;
    uint64_t all_blocking; /* how many there were, kept or not */
    uint64_t unkept;
};

/* What runs at the moment is entered as if the recording stopped. */
struct timeline_copy {
    bool is_kept; /* false: nobody asked for it */
    size_t count, capacity;
    struct timeline_entry *entries; /* the oldest first */
    uint64_t entered;               /* into the timeline, gone or not */
    uint64_t gone[TIMELINE_ENDS];
};

struct recording_copy {
    struct memory memory;
    struct clock clock;
    size_t node_count, node_capacity;
    struct node *nodes;
    size_t waits_count, waits_capacity;
    struct waits_copy *waits;
    size_t thread_count, thread_capacity;
    struct thread_copy *threads; /* the newest first */
    size_t greenlet_count, greenlet_capacity;
    struct greenlet_copy *greenlets;
    struct slices_copy slices;
    struct timeline_copy timeline;
    struct notes notes;
    size_t function_count;
    struct recorder_counters counters;
    struct tracer_counters tracer_counters;
    uint64_t cpu_reads, cpu_unknown, dropped_intervals, dropped_ticks;
    uint64_t recorded_ticks;
    int64_t started_monotonic_ns;
};

/* Gets room for what there is now, and some more. False when there is no memory. What is freed by
 * recording_copy_free() is the copy, also one that failed. */
bool recording_copy_prepare(struct recording_copy *copy, const struct tracer *tracer);
void recording_copy_touch(struct recording_copy *copy);
bool recording_copy_take(struct recording_copy *copy, struct tracer *tracer);
void recording_copy_free(struct recording_copy *copy);

#endif
