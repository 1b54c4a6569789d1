/* columns.h -- a call tree that is laid out as columns of numbers, and what is folded from them.
 *
 *      node          0   1   2   3   4
 *      parent       -1   0   1   1   3        a parent comes before its children
 *      running_ns    0   0   7   5   9        self
 *
 * A tree has up to a million nodes and may be 50,000 deep: everything here is linear, and nothing recurses.
 *
 * Works on copies, never on a tree that is recorded into, and so needs no lock. Whoever calls has seen to it
 * that parents and targets are in range: columns_are_in_order(), columns_are_below(). */
#ifndef GP_COLUMNS_H
#define GP_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether each parent is -1 or comes before its child. */
bool columns_are_in_order(const int32_t *parents, size_t count);

/* Whether each value is from -1 to below `limit`. */
bool columns_are_below(const int32_t *values, size_t count, size_t limit);

/* result[i] = table[indices[i]]; -1 stays -1. */
void columns_take(const int32_t *table, const int32_t *indices, size_t count, int32_t *result);

/* result[i] = indices[i], or -1 where the mark is 0. */
void columns_only(const int32_t *indices, const unsigned char *marks, size_t count, int32_t *result);

/* sums[target] += value, for those whose target is not -1. */
void columns_sum_by(const int64_t *values, const int32_t *targets, size_t count, int64_t *sums);

/* Adds each node's value to its parent's: self times become inclusive ones, in place. */
void columns_sum_upwards(int64_t *values, const int32_t *parents, size_t count);

/* First child and next sibling of each node, in their order; -1 where there is none. */
void columns_link(const int32_t *parents, size_t count, int32_t *first_children, int32_t *next_siblings);

/* The nearest group above each node; group -1 is skipped. */
void columns_groups_above(const int32_t *parents, const int32_t *groups, size_t count, int32_t *above);

/* A tree below node 0 to walk, and room for the walk. */
struct columns_walk {
    const int32_t *first_children;
    const int32_t *next_siblings;
    size_t count;
    int32_t *pending;    /* room for two entries a node */
    int32_t *open_nodes; /* zeros, one a group */
};

/* 1 for each node that has none of its group above it, 0 for the others and for group -1. */
void columns_mark_outermost(const struct columns_walk *walk, const int32_t *groups, unsigned char *outermost);

/* Gives numbers to pairs of numbers, in the order in which they are first seen. */
struct columns_numbers {
    uint64_t *keys;      /* a pair and 1, so that 0 is no key */
    int32_t *numbers;    /* of the key at the same place */
    size_t bucket_count; /* a power of two, more than there will be pairs */
    int32_t count;
};

/* How many buckets so many pairs need. */
size_t columns_buckets_for(size_t pairs);

/* The number of a pair of numbers from 0 up. */
int32_t columns_number(struct columns_numbers *numbers, int32_t left, int32_t right);

/* Puts the nodes of forests under one node, and siblings of one function together: parents and functions of
 * the merged tree, node 0 on top with function -1, and the merged node of each. Returns how many there are. */
size_t columns_merge(const int32_t *parents, const int32_t *functions, size_t count,
                     struct columns_numbers *numbers, int32_t *merged_parents, int32_t *merged_functions,
                     int32_t *node_of);

/* What is taken out of an event's both sides, in nanoseconds: by whom it was charged. */
struct columns_event_cost {
    double outer_ns; /* to the caller */
    double inner_ns; /* to the callee */
};

enum columns_event { COLUMNS_PYTHON_CALL, COLUMNS_RESUME, COLUMNS_C_CALL, COLUMNS_PASSED_OVER };
enum { COLUMNS_EVENTS = 4 };

/* What a function's entries are: also the value of a function whose entries cost what nobody knows. */
enum columns_kind { COLUMNS_OF_UNKNOWN, COLUMNS_OF_PYTHON, COLUMNS_OF_C };

struct columns_entries {
    const int32_t *parents;
    const int32_t *functions;
    const unsigned char *kinds; /* enum columns_kind of each function */
    const int64_t *calls;
    const int64_t *resumes;
    const int64_t *passed_over; /* events in the node that recorded no call */
    size_t count;
};

/* Adds up what the events cost that were charged to each node. */
void columns_add_event_costs(const struct columns_entries *entries,
                             const struct columns_event_cost costs[COLUMNS_EVENTS], double *cost_ns);

/* Takes each node's cost out of its running and CPU time, as far as there is CPU time; `taken_ns` is what was. */
void columns_take_costs(const double *cost_ns, size_t count, int64_t *running_ns, int64_t *cpu_ns,
                        int64_t *taken_ns);

#endif
