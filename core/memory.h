/* memory.h -- every byte the recorder holds is asked for here.
 *
 * Why not malloc() itself: the recorder says how much it holds, stays within its budget, and its tests
 * make the n-th request fail. A request that fails is answered with NULL, never with an exit.
 *
 * Ownership: a `struct memory` belongs to its recorder and outlives every block it gave. */
#ifndef GP_MEMORY_H
#define GP_MEMORY_H

#include <stddef.h>

/* Gives, moves or (new_size 0) frees a block; NULL when there is no memory. */
typedef void *(*memory_resize_function)(void *context, void *block, size_t new_size);

struct memory {
    memory_resize_function resize;
    void *context;
    size_t bytes; /* held now */
    size_t limit; /* never more than that */
    size_t requests;
    size_t failing_request; /* for tests: that one is refused; 0: none */
};

/* The C library's allocator, without a limit. */
void memory_init(struct memory *memory);

/* Zeroed. NULL when there is no memory. */
void *memory_get(struct memory *memory, size_t size);

/* Keeps what fits of the old content; what is new is not zeroed. NULL leaves the old block as it was. */
void *memory_resize(struct memory *memory, void *block, size_t old_size, size_t new_size);

/* More room for a list of entries of that size: twice its capacity, `first` in the beginning, and never more than
 * `most`. NULL when there is no memory, or no more may be: the list and its capacity are then as they were. */
void *memory_grow_list(struct memory *memory, void *list, size_t *capacity, size_t entry_size, size_t first,
                       size_t most);

/* NULL is allowed. */
void memory_free(struct memory *memory, void *block, size_t size);

#endif
