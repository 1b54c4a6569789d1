/* memory.c -- the recorder's allocator: counts bytes, hands over to a replaceable function. */
#include "memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *
resize_with_libc(void *context, void *block, size_t new_size)
{
    (void)context;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

void
memory_init(struct memory *memory)
{
    memory->resize = resize_with_libc;
    memory->context = NULL;
    memory->bytes = 0;
    memory->limit = SIZE_MAX;
    memory->requests = 0;
    memory->failing_request = 0;
}

void *
memory_get(struct memory *memory, size_t size)
{
    void *block = memory_resize(memory, NULL, 0, size);
    if (block != NULL) {
        memset(block, 0, size);
    }
    return block;
}

void *
memory_resize(struct memory *memory, void *block, size_t old_size, size_t new_size)
{
    size_t others = memory->bytes - old_size;
    void *moved = NULL;
    bool is_refused = ++memory->requests == memory->failing_request;
    if (!is_refused && new_size <= memory->limit && others <= memory->limit - new_size) {
        moved = memory->resize(memory->context, block, new_size);
    }
    if (moved != NULL) {
        memory->bytes = others + new_size;
    }
    return moved;
}

void *
memory_grow_list(struct memory *memory, void *list, size_t *capacity, size_t entry_size, size_t first,
                 size_t most)
{
    size_t wanted = *capacity == 0 ? first : *capacity * 2;
    size_t grown = wanted < most ? wanted : most;
    void *moved =
        grown > *capacity ? memory_resize(memory, list, *capacity * entry_size, grown * entry_size) : NULL;
    if (moved != NULL) {
        *capacity = grown;
    }
    return moved;
}

void
memory_free(struct memory *memory, void *block, size_t size)
{
    if (block == NULL) {
        return;
    }
    (void)memory->resize(memory->context, block, 0);
    memory->bytes -= size;
}
