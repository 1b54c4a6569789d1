/* position.h -- where each greenlet is in its thread's call tree.
 *
 *      bottom -> [0]             node [Greenlet]        the base: never left
 *                [1]  frame A    node foo
 *                [2]  frame A|2  node [tag GET /]       a tag, of the call below it
 *      top ----> [3]  frame A|1  node sleep             a C call carries its caller's frame, marked
 *
 * A leave is matched by the frame it comes from, never by its function: a lost or a doubled leave can
 * then not be taken for that of a recursive caller.
 *
 * Invariant: bottom <= top < limit = bottom + capacity. Exactly one position per thread is running; every other
 * one knows since when it waits.
 *
 * Ownership: a position owns its open calls. The greenlet is an identity, never dereferenced here. */
#ifndef GP_POSITION_H
#define GP_POSITION_H

#include "memory.h"
#include "slices.h"
#include "tree.h"

/* There may be a hundred thousand greenlets: what the base, which has no frame, has room for is kept there. */
#define BASE_IS_NO_FRAME 4
#define BASE_RECORD_BITS 29
#define BASE_RECORDS ((UINT64_C(1) << BASE_RECORD_BITS) - 1)

struct base_call {
    uint64_t no_frame : 3;              /* BASE_IS_NO_FRAME: it is equal to no frame, marked or not */
    uint64_t unstored_calls : 32;       /* open calls for which there was no memory */
    uint64_t record : BASE_RECORD_BITS; /* 1 + index of that which it will be kept in; 0: none yet */
};

struct open_call {
    union {
        uintptr_t frame;
        struct base_call base; /* at the bottom */
    };
    struct node *node;
};

/* Frames are aligned, so the lowest bits are free to mark a C call made from that frame, or a tag of its call. */
static inline uintptr_t
frame_of_c_call(uintptr_t caller_frame)
{
    return caller_frame | 1;
}

static inline uintptr_t
frame_of_tag(uintptr_t frame)
{
    return frame | 2;
}

static inline bool
frame_is_of_tag(uintptr_t frame)
{
    return (frame & 2) != 0;
}

static inline bool
frame_is_of_python_call(uintptr_t frame)
{
    return (frame & 3) == 0;
}

#define POSITION_ID_BITS 40
#define POSITION_CAPACITY_BITS 24

struct position {
    const void *greenlet;   /* NULL while only its thread is known */
    struct position *chain; /* next in its bucket */
    struct position *next;  /* of the same thread */
    struct position *previous;
    struct open_call *top;
    struct open_call *limit;
    uint64_t began_ticks; /* when it was seen first */
    uint64_t waiting_since_ticks;
    uint64_t busy_since_ticks; /* what its thread had done then: see thread_moment() */
    uint64_t running_ticks;    /* of its slices so far; idle time included */
    uint64_t off_cpu_ticks;
    uint64_t idle_ticks;
    uint64_t waiting_ticks;
    uint64_t contended_ticks; /* part of them */
    uint64_t lag_ticks;       /* part of those */
    uint64_t switches;        /* into it */
    uint64_t longest_slice_ticks;
    uintptr_t kind; /* see position_first(); 0: no function of the program was entered yet */
    uint64_t id : POSITION_ID_BITS;
    uint64_t capacity : POSITION_CAPACITY_BITS; /* open calls that there is room for, the base too */
};

/* Its kind of slices, once one was counted since the first function was entered; else NULL. It takes the place of that
 * function, marked, for the same reason as above: it knows the function. */
static inline struct slice_kind *
position_counted(const struct position *position)
{
    return (position->kind & 1) != 0 ? (struct slice_kind *)(position->kind - 1) : NULL;
}

/* The first function of the program that the greenlet entered; NULL before that. */
static inline const struct function *
position_first(const struct position *position)
{
    const struct slice_kind *counted = position_counted(position);
    return counted != NULL ? counted->first : (const struct function *)position->kind;
}

static inline void
position_set_first(struct position *position, const struct function *first)
{
    position->kind = (uintptr_t)first;
}

/* Its slices are of that kind, until position_set_first(). */
static inline void
position_set_counted(struct position *position, struct slice_kind *kind)
{
    position->kind = (uintptr_t)kind | 1;
}

static inline struct open_call *
position_bottom(const struct position *position)
{
    return position->limit - position->capacity;
}

static inline struct base_call *
position_base(const struct position *position)
{
    return &position_bottom(position)->base;
}

/* Where it hangs in the tree. */
static inline struct node *
position_base_node(const struct position *position)
{
    return position_bottom(position)->node;
}

/* What names its greenlet's class. */
static inline const struct function *
position_class(const struct position *position)
{
    return function_class(position_base_node(position)->function);
}

/* The innermost open call of a function in Python, from `call` outwards; the base if there is none. */
static inline const struct open_call *
position_python_call_from(const struct position *position, const struct open_call *call)
{
    while (call != position_bottom(position) && !frame_is_of_python_call(call->frame)) {
        call--;
    }
    return call;
}

static inline const struct open_call *
position_python_call(const struct position *position)
{
    return position_python_call_from(position, position->top);
}

/* Whether what was opened last is a call of that frame, or made from it. */
static inline bool
position_is_in(const struct position *position, uintptr_t frame)
{
    return (position->top->frame & ~(uintptr_t)3) == frame;
}

/* NULL when there is no memory. `base` is where its calls hang in the tree. */
struct position *position_new(struct memory *memory, const void *greenlet, struct node *base);
void position_free(struct memory *memory, struct position *position);

/* Makes room for one more open call. False when there is no memory. */
bool position_grow(struct memory *memory, struct position *position);

/* The innermost open call of that frame, or NULL. */
struct open_call *position_find_call(const struct position *position, uintptr_t frame);

/* Greenlet -> position. */
struct position_map {
    struct position **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

bool position_map_init(struct position_map *map, struct memory *memory);
void position_map_dispose(struct position_map *map, struct memory *memory);
struct position *position_map_find(const struct position_map *map, const void *greenlet);
void position_map_add(struct position_map *map, struct memory *memory, struct position *position);
void position_map_remove(struct position_map *map, struct position *position);

#endif
