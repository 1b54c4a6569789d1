/* timeline.c -- the ring. */
#include "timeline.h"

#include <string.h>

bool
timeline_init(struct timeline *timeline, struct memory *memory, size_t capacity)
{
    *timeline = (struct timeline){.capacity = capacity};
    if (capacity > 0) {
        timeline->entries = memory_resize(memory, NULL, 0, capacity * sizeof *timeline->entries);
    }
    return capacity == 0 || timeline->entries != NULL;
}

void
timeline_dispose(struct timeline *timeline, struct memory *memory)
{
    memory_free(memory, timeline->entries, timeline->capacity * sizeof *timeline->entries);
    *timeline = (struct timeline){0};
}

void
timeline_forget(struct timeline *timeline)
{
    timeline->entered = 0;
    memset(timeline->gone, 0, sizeof timeline->gone);
}

void
timeline_copy(const struct timeline *timeline, struct timeline_entry *room)
{
    size_t count = timeline_count(timeline);
    size_t oldest = (size_t)(timeline->entered - count) & (timeline->capacity - 1);
    size_t to_the_end = count < timeline->capacity - oldest ? count : timeline->capacity - oldest;
    memcpy(room, timeline->entries + oldest, to_the_end * sizeof *room);
    memcpy(room + to_the_end, timeline->entries, (count - to_the_end) * sizeof *room);
}
