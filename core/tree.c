/* tree.c -- nodes in chunks, found through a hash of (parent, key). */
#include "tree.h"

#include <string.h>

#define FIRST_CHUNK_NODES ((size_t)32)
#define FIRST_BUCKETS ((size_t)32)

static size_t
chunk_nodes(int chunk)
{
    return FIRST_CHUNK_NODES << chunk;
}

/* Nodes in all the chunks before this one. */
static size_t
chunk_start(int chunk)
{
    return chunk_nodes(chunk) - FIRST_CHUNK_NODES;
}

static int
chunk_of(size_t index)
{
    return 63 - __builtin_clzll((unsigned long long)(index / FIRST_CHUNK_NODES) + 1);
}

static size_t
hash_of(const struct node *parent, const void *key)
{
    uint64_t mixed = (uint64_t)(uintptr_t)parent * UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= (uint64_t)(uintptr_t)key * UINT64_C(0xC2B2AE3D27D4EB4F);
    mixed ^= mixed >> 29;
    mixed *= UINT64_C(0xBF58476D1CE4E5B9);
    return (size_t)(mixed >> 17);
}

static struct node **
bucket_of(const struct tree *tree, const struct node *parent, const void *key)
{
    return &tree->buckets[hash_of(parent, key) & (tree->bucket_count - 1)];
}

bool
tree_init(struct tree *tree, struct memory *memory)
{
    *tree = (struct tree){.memory = memory, .bucket_count = FIRST_BUCKETS};
    tree->buckets = memory_get(memory, FIRST_BUCKETS * sizeof(struct node *));
    return tree->buckets != NULL;
}

void
tree_dispose(struct tree *tree)
{
    for (int chunk = 0; chunk < TREE_CHUNKS; chunk++) {
        memory_free(tree->memory, tree->chunks[chunk], chunk_nodes(chunk) * sizeof(struct node));
        tree->chunks[chunk] = NULL;
    }
    while (tree->waits != NULL) {
        struct waits *waits = tree->waits;
        tree->waits = waits->next;
        memory_free(tree->memory, waits, sizeof *waits);
    }
    memory_free(tree->memory, tree->buckets, tree->bucket_count * sizeof(struct node *));
    tree->buckets = NULL;
    tree->node_count = tree->waits_count = 0;
}

struct node *
tree_find(const struct tree *tree, const struct node *parent, const void *key)
{
    struct node *node = *bucket_of(tree, parent, key);
    while (node != NULL && (node->key != key || node->parent != parent)) {
        node = node->chain;
    }
    return node;
}

/* Twice the buckets. Without memory for them the chains grow instead: slower, but right. */
static void
grow_buckets(struct tree *tree)
{
    struct tree grown = {.bucket_count = tree->bucket_count * 2};
    grown.buckets = memory_get(tree->memory, grown.bucket_count * sizeof(struct node *));
    if (grown.buckets == NULL) {
        return;
    }
    for (size_t index = 0; index < tree->node_count; index++) {
        struct node *node = tree_node(tree, index);
        struct node **bucket = bucket_of(&grown, node->parent, node->key);
        node->chain = *bucket;
        *bucket = node;
    }
    memory_free(tree->memory, tree->buckets, tree->bucket_count * sizeof(struct node *));
    tree->buckets = grown.buckets;
    tree->bucket_count = grown.bucket_count;
}

static struct node *
next_free_node(struct tree *tree)
{
    int chunk = chunk_of(tree->node_count);
    if (chunk >= TREE_CHUNKS) {
        return NULL;
    }
    if (tree->chunks[chunk] == NULL) {
        tree->chunks[chunk] = memory_get(tree->memory, chunk_nodes(chunk) * sizeof(struct node));
    }
    if (tree->chunks[chunk] == NULL) {
        return NULL;
    }
    return &tree->chunks[chunk][tree->node_count - chunk_start(chunk)];
}

struct node *
tree_add(struct tree *tree, struct node *parent, const struct function *function)
{
    struct node *node = next_free_node(tree);
    if (node == NULL) {
        return NULL;
    }
    if (tree->node_count >= tree->bucket_count) {
        grow_buckets(tree);
    }
    struct node **bucket = bucket_of(tree, parent, function->key);
    *node = (struct node){.parent = parent, .key = function->key, .function = function, .chain = *bucket};
    *bucket = node;
    tree->node_count++;
    return node;
}

struct node *
tree_node(const struct tree *tree, size_t index)
{
    int chunk = chunk_of(index);
    return &tree->chunks[chunk][index - chunk_start(chunk)];
}

static struct waits *
add_waits(struct tree *tree, struct node *node)
{
    struct waits *waits = memory_get(tree->memory, sizeof *waits);
    if (waits != NULL) {
        *waits = (struct waits){.next = tree->waits, .node = node};
        tree->waits = node->waits = waits;
        tree->waits_count++;
    }
    return waits;
}

struct waits *
tree_waits(struct tree *tree, struct node *node)
{
    if (node->waits != NULL || add_waits(tree, node) != NULL) {
        return node->waits;
    }
    while (node->waits == NULL && node->parent != NULL) {
        node = node->parent;
    }
    return node->waits;
}

size_t
tree_index(const struct tree *tree, const struct node *node)
{
    int chunk = 0;
    while (node < tree->chunks[chunk] || node >= tree->chunks[chunk] + chunk_nodes(chunk)) {
        chunk++;
    }
    return chunk_start(chunk) + (size_t)(node - tree->chunks[chunk]);
}

struct tree_copy
tree_copy_into(struct node *room, const struct tree *tree)
{
    struct tree_copy copy = {.nodes = room, .node_count = tree->node_count};
    for (int chunk = 0; chunk < TREE_CHUNKS && chunk_start(chunk) < tree->node_count; chunk++) {
        size_t left = tree->node_count - chunk_start(chunk);
        size_t count = left < chunk_nodes(chunk) ? left : chunk_nodes(chunk);
        memcpy(room + chunk_start(chunk), tree->chunks[chunk], count * sizeof *room);
        copy.chunks[chunk] = (uintptr_t)tree->chunks[chunk];
    }
    return copy;
}

size_t
tree_copy_index(const struct tree_copy *copy, const struct node *node)
{
    uintptr_t place = (uintptr_t)node;
    int chunk = 0;
    while (place < copy->chunks[chunk] ||
           place >= copy->chunks[chunk] + chunk_nodes(chunk) * sizeof(struct node)) {
        chunk++;
    }
    return chunk_start(chunk) + (place - copy->chunks[chunk]) / sizeof(struct node);
}

size_t
tree_copy_parent(const struct tree_copy *copy, size_t index)
{
    const struct node *parent = copy->nodes[index].parent;
    return parent != NULL ? tree_copy_index(copy, parent) : TREE_NO_PARENT;
}

static void
add_counts(struct node *target, const struct node *source)
{
    target->calls += source->calls;
    target->resumes += source->resumes;
    target->running_ticks += source->running_ticks;
    target->off_cpu_ticks += source->off_cpu_ticks;
    target->passed_over += source->passed_over;
}

/* While a tree is folded away its nodes need no `recent` child any more: it points to their place in
 * the target. */
static struct node *
place_in_target(struct tree *target, struct node *target_root, const struct node *node)
{
    if (node->parent == NULL) {
        return target_root;
    }
    struct node *parent = node->parent->recent;
    struct node *place = tree_find(target, parent, node->key);
    return place != NULL ? place : tree_add(target, parent, node->function);
}

static void
fold_waits(struct tree *target, const struct tree *source)
{
    for (const struct waits *old = source->waits; old != NULL; old = old->next) {
        struct waits *waits = tree_waits(target, old->node->recent);
        if (waits != NULL) {
            waits->waiting_ticks += old->waiting_ticks;
            waits->contended_ticks += old->contended_ticks;
            waits->lag_ticks += old->lag_ticks;
        }
    }
}

size_t
tree_fold(struct tree *target, struct node *target_root, const struct tree *source)
{
    size_t without_room = 0;
    for (size_t index = 0; index < source->node_count; index++) {
        struct node *node = tree_node(source, index);
        struct node *place = place_in_target(target, target_root, node);
        if (place == NULL) {
            place = node->parent->recent;
            without_room++;
        }
        add_counts(place, node);
        node->recent = place;
    }
    fold_waits(target, source);
    return without_room;
}
