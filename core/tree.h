/* tree.h -- the calling-context tree of one thread.
 *
 *        [thread]
 *           |
 *        [Greenlet] ------------- base of all greenlets of one class
 *         /      \
 *       foo      bar              a node = (parent, function)
 *        |        |
 *      sleep    sleep
 *
 * A greenlet's stack is a path in this tree, so entering a function is a step down and leaving it a
 * step up. Only what happened in the function itself is stored; inclusive times, callers and callees
 * are folds, made when a snapshot is taken.
 *
 * Invariant: a node never moves and is never freed before its tree; its parent was made before it.
 *
 * Ownership: a tree owns its nodes and their waits. A function is owned by whoever names functions (the
 * extension) and lives as long as the recorder. A key is an identity and is never dereferenced here. */
#ifndef GP_TREE_H
#define GP_TREE_H

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum function_flags {
    FUNCTION_IS_C = 1 << 0,         /* built-in: it runs no code object of its own */
    FUNCTION_POLLS = 1 << 1,        /* a hub waits for its events in here */
    FUNCTION_IS_HIDDEN = 1 << 2,    /* the profiler's own */
    FUNCTION_IS_TRUNCATED = 1 << 3, /* stands for the paths that found no room */
    FUNCTION_IS_BASE = 1 << 4,      /* a thread, a class of greenlets, a mark: no function */
    FUNCTION_IS_EXCLUDED = 1 << 5,  /* filtered out: it has no node */
    FUNCTION_IS_TAG = 1 << 6,       /* no function: a part of its caller's call, that the program has named */
};

struct function {
    const void *key;
    uint32_t index; /* in the table of its owner */
    uint32_t flags;
    const struct function *class_function; /* of the base of one greenlet: that of its class; else NULL */
};

/* Of a greenlet's base: its class. */
static inline const struct function *
function_class(const struct function *function)
{
    return function->class_function != NULL ? function->class_function : function;
}

/* What greenlets waited that were switched out with a node on top. Few nodes have such a wait. */
struct waits {
    struct waits *next; /* of the same tree, the newest first */
    struct node *node;
    uint64_t waiting_ticks;
    uint64_t contended_ticks; /* part of them: their thread did something else meanwhile */
    uint64_t lag_ticks;       /* part of those: since its hub looked last */
};

/* What an event touches comes first: of a program with many functions it is not in the cache. */
struct node {
    const void *key;
    struct node *successor; /* child of the same parent that is expected after it; NULL under a base */
    uint64_t calls;
    uint64_t running_ticks; /* self; idle time included, see node_polls() */
    struct node *recent;    /* child entered last: nearly always the next one too; NULL under a base */
    struct node *parent;    /* NULL at the root */
    const struct function *function;
    uint64_t resumes;
    struct node *chain;     /* next in its bucket */
    uint64_t off_cpu_ticks; /* part of running_ticks in which the thread was not on the CPU */
    struct waits *waits;    /* NULL: no greenlet waited here */
    uint64_t passed_over;   /* events here that recorded nothing, and yet took time */
};

#define TREE_CHUNKS 32

/* Nodes come from chunks, each twice as large as the one before. */
struct tree {
    struct memory *memory;
    struct node *chunks[TREE_CHUNKS];
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
    struct waits *waits;
    size_t waits_count;
};

/* False when there is no memory; then there is nothing to dispose of. */
bool tree_init(struct tree *tree, struct memory *memory);
void tree_dispose(struct tree *tree);

/* NULL when (parent, key) is not there. Parent NULL asks for the root. */
struct node *tree_find(const struct tree *tree, const struct node *parent, const void *key);

/* Makes the node for a function that has none under `parent` yet. NULL when there is no memory. */
struct node *tree_add(struct tree *tree, struct node *parent, const struct function *function);

/* Node number `index`, in the order in which they were made: a parent comes before its children. */
struct node *tree_node(const struct tree *tree, size_t index);

/* Where waits in a node go. Without memory that is the nearest caller that has some; NULL: not even the root. */
struct waits *tree_waits(struct tree *tree, struct node *node);

/* The inverse of tree_node(). */
size_t tree_index(const struct tree *tree, const struct node *node);

/* The nodes of a tree, copied in one go, to be read while the tree grows on or is no more. Pointers in them are
 * the tree's: a parent's place is told by where it was. */
struct tree_copy {
    struct node *nodes; /* in the order of tree_node(); owned by whoever gave the room */
    size_t node_count;
    uintptr_t chunks[TREE_CHUNKS];
};

/* `room` is for all nodes of the tree. */
struct tree_copy tree_copy_into(struct node *room, const struct tree *tree);

/* The place of a node of the tree that was copied, by where it was. */
size_t tree_copy_index(const struct tree_copy *copy, const struct node *node);

#define TREE_NO_PARENT SIZE_MAX

/* The place of a node's parent; TREE_NO_PARENT at the root. */
size_t tree_copy_parent(const struct tree_copy *copy, size_t index);

/* Adds `source` to `target` below `target_root`, node by node. What finds no room is added to the nearest
 * ancestor that did; returns how many nodes that were. */
size_t tree_fold(struct tree *target, struct node *target_root, const struct tree *source);

/* Whether time off the CPU in a function is a hub's waiting for events: in its polling function, or in the
 * built-in that this one calls. `caller` may be NULL. */
static inline bool
function_polls(const struct function *function, const struct function *caller)
{
    if ((function->flags & FUNCTION_POLLS) != 0) {
        return true;
    }
    return (function->flags & FUNCTION_IS_C) != 0 && caller != NULL && (caller->flags & FUNCTION_POLLS) != 0;
}

static inline bool
node_polls(const struct node *node)
{
    return function_polls(node->function, node->parent != NULL ? node->parent->function : NULL);
}

/* Whether it is of the profiler's own code, or of a built-in that this calls. `caller` may be NULL. */
static inline bool
function_is_the_profilers(const struct function *function, const struct function *caller)
{
    if ((function->flags & FUNCTION_IS_HIDDEN) != 0) {
        return true;
    }
    return (function->flags & FUNCTION_IS_C) != 0 && caller != NULL &&
           (caller->flags & FUNCTION_IS_HIDDEN) != 0;
}

static inline bool
node_is_the_profilers(const struct node *node)
{
    return function_is_the_profilers(node->function, node->parent != NULL ? node->parent->function : NULL);
}

static inline bool
node_is_base(const struct node *node)
{
    return (node->function->flags & FUNCTION_IS_BASE) != 0;
}

#endif
