/* slices.h -- how long greenlets ran at a stretch, and what a long stretch was spent on.
 *
 *      switch in       CPU clock read        read                 switch out
 *          |-----------------x----------------x------------------------|
 *                1.0 ms of encode   1.1 ms of match     0.4 ms of match
 *
 * A slice is the time from a switch into a greenlet to the next switch out of it. A hub's poll is no part of
 * one: it ends a slice, and another begins. Each slice that ends is counted, by its length, for its greenlet's
 * kind. One of a given length, while other greenlets of its thread were suspended, blocked them (see thread.h):
 * the longest of these are kept, and each adds to its culprit.
 *
 * What a slice is doing is sampled whenever the CPU clock is read, about once a millisecond: the time since the
 * last sample goes to the node on top, so one long call and a million small ones are both seen. The culprit is
 * the innermost node in and below which half of the slice was spent, or more.
 *
 * Invariant: a slice's samples add up to the part of it that was sampled; what finds no room is its caller's.
 *
 * Ownership: `struct slices` owns its kinds and lists. Nodes and functions are borrowed; when a tree is folded
 * into another, slices_fold() puts the nodes there in their place. */
#ifndef GP_SLICES_H
#define GP_SLICES_H

#include "clock.h"
#include "memory.h"
#include "tree.h"

/* Lengths are counted in powers of two: the first place is for less than 2^10 ns, each next one for twice that;
 * the last one for all that is longer. */
#define SLICE_LENGTHS 30
#define SLICE_FIRST_LENGTH_BITS 10

#define SLICE_SAMPLES 32
#define SLICES_KEPT ((size_t)50)
#define SLICE_CULPRITS_KEPT ((size_t)1000)
#define SLICE_KIND_BUCKETS 1024
#define SLICE_KINDS_KEPT ((size_t)10000)

struct slice_sample {
    struct node *node;
    uint64_t ticks;
};

/* What a slice was doing so far. */
struct slice_samples {
    struct slice_sample entries[SLICE_SAMPLES];
    size_t count;
    uint64_t ticks; /* of all of them */
};

/* Of the greenlets of one class that entered the same function first. */
struct slice_kind {
    struct slice_kind *chain; /* next in its bucket */
    const struct function *class_function;
    const struct function *first; /* NULL: none was entered yet */
    uint64_t count;
    uint64_t ticks;
    uint64_t longest_ticks;
    uint64_t lengths[SLICE_LENGTHS];
    uint64_t unrecorded_greenlets; /* of this kind, which found no room for a record ... */
    uint64_t unrecorded_switches;  /* ... and how often they were switched to */
};

/* A slice that blocked. */
struct blocking_slice {
    uint64_t thread_id;
    uint64_t greenlet_id;
    const struct function *class_function;
    const struct function *first;
    int64_t began_monotonic_ns;
    uint64_t ticks;
    uint64_t off_cpu_ticks; /* part of them */
    uint64_t suspended;     /* other greenlets of the thread, when it ended */
    bool is_over;           /* false: the recording ended before it */
    struct node *culprit;
    struct slice_samples samples;
};

struct slice_culprit {
    uint64_t thread_id;
    struct node *node;
    uint64_t count;
    uint64_t ticks;
    uint64_t longest_ticks;
};

struct slices {
    struct memory *memory;
    const struct clock *clock;
    const struct function *other_borrowed; /* first function of all kinds beyond the limit */
    int64_t blocking_ns;                   /* a slice of this length blocks */

    struct slice_kind *kinds[SLICE_KIND_BUCKETS];
    size_t kind_count;
    struct blocking_slice *longest; /* NULL before the first one */
    size_t longest_count;
    struct slice_culprit *culprits;
    size_t culprit_count;
    size_t culprit_capacity;

    uint64_t blocking_count; /* of all that blocked */
    uint64_t unkept;         /* slices that found no room for their kind, or for what they were spent on */
};

void slices_init(struct slices *slices, struct memory *memory, const struct clock *clock,
                 int64_t blocking_ns);

/* Forgets all of them; may be used on. */
void slices_forget(struct slices *slices);

/* The time since the last sample goes to a node of that tree. */
void slice_samples_add(struct slice_samples *samples, const struct tree *tree, struct node *node,
                       uint64_t ticks);

/* What was taken for one node was another. */
void slice_samples_move(struct slice_samples *samples, const struct node *from, struct node *to);

/* The innermost node with half of the time or more in and below it; NULL without samples. */
struct node *slice_samples_culprit(const struct slice_samples *samples, const struct tree *tree);

/* The kind with this class and first function; NULL when there is no memory. */
struct slice_kind *slices_kind(struct slices *slices, const struct function *class_function,
                               const struct function *first);

/* A slice of that kind is over. */
void slice_kind_count(struct slice_kind *kind, uint64_t ticks, int64_t ns);

/* Copied, if it is one of the longest; and added to its culprit. */
void slices_keep(struct slices *slices, const struct blocking_slice *slice);

/* The thread's tree has been folded into one of another thread: each node knows its place there, see
 * tree_fold(). */
void slices_fold(struct slices *slices, uint64_t thread_id, uint64_t target_id);

#endif
