/* position.c -- open calls of a greenlet, and the map from greenlets to positions. */
#include "position.h"

#define FIRST_OPEN_CALLS ((size_t)3)
#define MOST_OPEN_CALLS (((size_t)1 << POSITION_CAPACITY_BITS) - 1)
#define FIRST_BUCKETS ((size_t)16)

struct position *
position_new(struct memory *memory, const void *greenlet, struct node *base)
{
    struct position *position = memory_get(memory, sizeof *position);
    struct open_call *calls = memory_get(memory, FIRST_OPEN_CALLS * sizeof *calls);
    if (position == NULL || calls == NULL) {
        memory_free(memory, position, sizeof *position);
        memory_free(memory, calls, FIRST_OPEN_CALLS * sizeof *calls);
        return NULL;
    }
    calls[0].base.no_frame = BASE_IS_NO_FRAME;
    calls[0].node = base;
    position->greenlet = greenlet;
    position->top = calls;
    position->limit = calls + FIRST_OPEN_CALLS;
    position->capacity = FIRST_OPEN_CALLS;
    return position;
}

void
position_free(struct memory *memory, struct position *position)
{
    struct open_call *calls = position_bottom(position);
    memory_free(memory, calls, position->capacity * sizeof *calls);
    memory_free(memory, position, sizeof *position);
}

/* There may be a hundred thousand greenlets, some twenty calls deep, and one of sixty thousand calls: room for
 * a few calls more, and never so little that all of it is copied too often. */
bool
position_grow(struct memory *memory, struct position *position)
{
    struct open_call *bottom = position_bottom(position);
    size_t capacity = position->capacity;
    size_t depth = (size_t)(position->top - bottom);
    size_t grown = capacity + 2 + capacity / 64;
    if (grown > MOST_OPEN_CALLS) {
        return false;
    }
    struct open_call *calls = memory_resize(memory, bottom, capacity * sizeof *calls, grown * sizeof *calls);
    if (calls == NULL) {
        return false;
    }
    position->top = calls + depth;
    position->limit = calls + grown;
    position->capacity = grown & MOST_OPEN_CALLS;
    return true;
}

struct open_call *
position_find_call(const struct position *position, uintptr_t frame)
{
    for (struct open_call *call = position->top; call > position_bottom(position); call--) {
        if (call->frame == frame) {
            return call;
        }
    }
    return NULL;
}

static size_t
bucket_of(const struct position_map *map, const void *greenlet)
{
    uint64_t mixed = (uint64_t)(uintptr_t)greenlet * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 20) & (map->bucket_count - 1);
}

bool
position_map_init(struct position_map *map, struct memory *memory)
{
    *map = (struct position_map){.bucket_count = FIRST_BUCKETS};
    map->buckets = memory_get(memory, FIRST_BUCKETS * sizeof(struct position *));
    return map->buckets != NULL;
}

void
position_map_dispose(struct position_map *map, struct memory *memory)
{
    memory_free(memory, map->buckets, map->bucket_count * sizeof(struct position *));
    map->buckets = NULL;
}

struct position *
position_map_find(const struct position_map *map, const void *greenlet)
{
    struct position *position = map->buckets[bucket_of(map, greenlet)];
    while (position != NULL && position->greenlet != greenlet) {
        position = position->chain;
    }
    return position;
}

static void
link_into_bucket(struct position_map *map, struct position *position)
{
    struct position **bucket = &map->buckets[bucket_of(map, position->greenlet)];
    position->chain = *bucket;
    *bucket = position;
}

/* Without memory for more buckets the chains grow instead. */
static void
grow_buckets(struct position_map *map, struct memory *memory)
{
    struct position_map grown = {.bucket_count = map->bucket_count * 2, .count = map->count};
    grown.buckets = memory_get(memory, grown.bucket_count * sizeof(struct position *));
    if (grown.buckets == NULL) {
        return;
    }
    for (size_t bucket = 0; bucket < map->bucket_count; bucket++) {
        struct position *position = map->buckets[bucket];
        while (position != NULL) {
            struct position *next = position->chain;
            link_into_bucket(&grown, position);
            position = next;
        }
    }
    position_map_dispose(map, memory);
    *map = grown;
}

void
position_map_add(struct position_map *map, struct memory *memory, struct position *position)
{
    if (map->count >= map->bucket_count) {
        grow_buckets(map, memory);
    }
    link_into_bucket(map, position);
    map->count++;
}

void
position_map_remove(struct position_map *map, struct position *position)
{
    struct position **link = &map->buckets[bucket_of(map, position->greenlet)];
    while (*link != position) {
        link = &(*link)->chain;
    }
    *link = position->chain;
    map->count--;
}
