/* habits.h -- how long intervals of a node are, and how much of them is off the CPU, where that hardly varies.
 *
 *      send()   |=====.........|   28 us, 19 of them off the CPU; the same 8 times in a row: a habit
 *      send()   |=====..........|  30 us: as usual, so 19 are taken for off the CPU, and no clock is read
 *      send()   |=====..............................|  65 us: read
 *
 * The CPU clock costs a system call. Of a node that has always been the same when it was looked at, one interval in
 * eight is looked at, and any that takes longer or shorter than usual.
 *
 * Invariant: what is taken for off the CPU was read, within `near_ticks`, of the last intervals that took as long.
 *
 * Ownership: nodes are identities here, and never dereferenced. */
#ifndef GP_HABITS_H
#define GP_HABITS_H

#include <stdbool.h>
#include <stdint.h>

#define HABITS_KEPT 64

struct node;

/* An interval, and how much of it was off the CPU. */
struct habit {
    const struct node *node; /* NULL: nobody's */
    int64_t ticks;
    int64_t off_cpu_ticks;
    int64_t trust;  /* how often it was right lately */
    uint64_t taken; /* intervals that it was asked for */
};

/* A node has one place; the node that was looked at last has it. */
struct habits {
    struct habit entries[HABITS_KEPT];
    int64_t near_ticks; /* what differs by no more is alike */
};

/* What reading the CPU clock has shown of an interval. */
void habits_learn(struct habits *habits, const struct node *node, int64_t ticks, int64_t off_cpu_ticks);

/* Whether the interval is as usual, and need not be looked at: then so much of it is taken for off the CPU. */
bool habits_know(struct habits *habits, const struct node *node, int64_t ticks, int64_t *off_cpu_ticks);

#endif
