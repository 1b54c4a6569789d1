/* timeline.h -- who ran when: the last stretches of all threads, in a ring.
 *
 *      thread 1    |--- hub ---|~~~ idle ~~~|- hub -|--- worker ---|-- hub ...
 *                              1            2       3              4            entries, at their ends
 *
 * A stretch is a slice, or a poll of a hub. It began where the one before it, of the same thread, has ended: an
 * entry needs no more than the end, whose stretch it was, and what ended it. A thread that begins to be recorded
 * enters a stretch of nothing.
 *
 * Invariant: the entries of a thread are in the order of their ends; those that went are older than all that
 * are there.
 *
 * Ownership: the timeline owns its ring. */
#ifndef GP_TIMELINE_H
#define GP_TIMELINE_H

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum timeline_end {
    TIMELINE_UNRECORDED, /* the stretch was before the thread was recorded, or in between */
    TIMELINE_SWITCH,     /* a slice that a switch has ended */
    TIMELINE_POLL,       /* a slice that a poll has ended */
    TIMELINE_IDLE,       /* the poll */
    TIMELINE_STOP,       /* a slice that goes on, but the recording does not */
    TIMELINE_ENDS
};

struct timeline_entry {
    uint64_t ended_ticks;
    uint64_t packed; /* see timeline_pack() */
};

#define TIMELINE_END_BITS 3
#define TIMELINE_THREAD_BITS 24

struct timeline {
    struct timeline_entry *entries; /* NULL: nothing is kept */
    size_t capacity;                /* a power of two */
    uint64_t entered;
    uint64_t gone[TIMELINE_ENDS]; /* entries that found no room any more, by what had ended them */
};

/* Keeps `capacity` entries, a power of two; with 0 it keeps none. False when there is no memory. */
bool timeline_init(struct timeline *timeline, struct memory *memory, size_t capacity);
void timeline_dispose(struct timeline *timeline, struct memory *memory);

/* Nothing has been entered. */
void timeline_forget(struct timeline *timeline);

/* Numbers past what there are bits for lose their upper ones: from the 16,777,216th thread on, and the
 * 68,719,476,736th greenlet. */
static inline uint64_t
timeline_pack(uint64_t greenlet_id, uint64_t thread_id, bool blocked, enum timeline_end end)
{
    uint64_t packed = greenlet_id << TIMELINE_THREAD_BITS;
    packed |= thread_id & ((UINT64_C(1) << TIMELINE_THREAD_BITS) - 1);
    return packed << (TIMELINE_END_BITS + 1) | (uint64_t)blocked << TIMELINE_END_BITS | end;
}

static inline uint64_t
timeline_greenlet_of(uint64_t packed)
{
    return packed >> (TIMELINE_THREAD_BITS + TIMELINE_END_BITS + 1);
}

static inline uint64_t
timeline_thread_of(uint64_t packed)
{
    return packed >> (TIMELINE_END_BITS + 1) & ((UINT64_C(1) << TIMELINE_THREAD_BITS) - 1);
}

static inline bool
timeline_has_blocked(uint64_t packed)
{
    return (packed >> TIMELINE_END_BITS & 1) != 0;
}

static inline enum timeline_end
timeline_end_of(uint64_t packed)
{
    return (enum timeline_end)(packed & ((1 << TIMELINE_END_BITS) - 1));
}

static inline bool
timeline_keeps(const struct timeline *timeline)
{
    return timeline->entries != NULL;
}

/* Only where timeline_keeps(). The oldest entry goes when there is no more room. */
static inline void
timeline_enter(struct timeline *timeline, struct timeline_entry new_entry)
{
    struct timeline_entry *entry = &timeline->entries[timeline->entered & (timeline->capacity - 1)];
    if (timeline->entered >= timeline->capacity) {
        timeline->gone[timeline_end_of(entry->packed)]++;
    }
    timeline->entered++;
    *entry = new_entry;
}

static inline size_t
timeline_count(const struct timeline *timeline)
{
    return timeline->entered < timeline->capacity ? (size_t)timeline->entered : timeline->capacity;
}

/* Copies the entries that are there, the oldest first. */
void timeline_copy(const struct timeline *timeline, struct timeline_entry *room);

#endif
