/* slices.c -- counting slices, and finding out what long ones were spent on. */
#include "slices.h"

#include <string.h>

/* A sample with this share of the time stays where it is, when room is needed. */
#define LARGE_SHARE 8

/* Past so many steps towards the callers, what is in the way of a new sample is the outermost node's. */
#define MOST_STEPS_UP 256

#define FIRST_CULPRITS ((size_t)16)

void
slices_init(struct slices *slices, struct memory *memory, const struct clock *clock, int64_t blocking_ns)
{
    *slices = (struct slices){.memory = memory, .clock = clock, .blocking_ns = blocking_ns};
}

static void
free_kinds(struct slices *slices)
{
    for (size_t bucket = 0; bucket < SLICE_KIND_BUCKETS; bucket++) {
        while (slices->kinds[bucket] != NULL) {
            struct slice_kind *kind = slices->kinds[bucket];
            slices->kinds[bucket] = kind->chain;
            memory_free(slices->memory, kind, sizeof *kind);
        }
    }
}

void
slices_forget(struct slices *slices)
{
    free_kinds(slices);
    memory_free(slices->memory, slices->longest, SLICES_KEPT * sizeof *slices->longest);
    memory_free(slices->memory, slices->culprits, slices->culprit_capacity * sizeof *slices->culprits);
    const struct function *other_borrowed = slices->other_borrowed;
    slices_init(slices, slices->memory, slices->clock, slices->blocking_ns);
    slices->other_borrowed = other_borrowed;
}

/* -- samples ------------------------------------------------------------------------------------- */

/* Samples with the place of each node in its tree. A node is made after its callers: whoever goes from the
 * youngest one to its caller, again and again, meets every node after all that are below it. */
struct aged_samples {
    struct slice_samples *samples;
    const struct tree *tree;
    size_t ages[SLICE_SAMPLES];
};

static struct aged_samples
with_ages(struct slice_samples *samples, const struct tree *tree)
{
    struct aged_samples aged = {.samples = samples, .tree = tree};
    for (size_t index = 0; index < samples->count; index++) {
        aged.ages[index] = tree_index(tree, samples->entries[index].node);
    }
    return aged;
}

static struct slice_sample *
find_sample(struct slice_samples *samples, const struct node *node)
{
    for (size_t index = samples->count; index-- > 0;) {
        if (samples->entries[index].node == node) {
            return &samples->entries[index];
        }
    }
    return NULL;
}

/* What the entry has is another node's from now on. */
static void
move_sample(struct aged_samples *aged, size_t index, struct node *node)
{
    struct slice_samples *samples = aged->samples;
    struct slice_sample *there = find_sample(samples, node);
    if (there == NULL) {
        samples->entries[index].node = node;
        aged->ages[index] = tree_index(aged->tree, node);
        return;
    }
    there->ticks += samples->entries[index].ticks;
    samples->count--;
    samples->entries[index] = samples->entries[samples->count];
    aged->ages[index] = aged->ages[samples->count];
}

/* The youngest of those with fewer ticks than that; the root is never it. There is one among a full array:
 * only few can have a large share. */
static size_t
youngest_below(const struct aged_samples *aged, uint64_t ticks)
{
    size_t youngest = SLICE_SAMPLES;
    for (size_t index = 0; index < aged->samples->count; index++) {
        bool is_candidate = aged->samples->entries[index].ticks < ticks && aged->ages[index] > 0;
        if (is_candidate && (youngest == SLICE_SAMPLES || aged->ages[index] > aged->ages[youngest])) {
            youngest = index;
        }
    }
    return youngest;
}

static void
make_room(struct slice_samples *samples, const struct tree *tree)
{
    struct aged_samples aged = with_ages(samples, tree);
    for (int step = 0; samples->count == SLICE_SAMPLES; step++) {
        size_t youngest = youngest_below(&aged, samples->ticks / LARGE_SHARE + 1);
        struct node *node = samples->entries[youngest].node;
        move_sample(&aged, youngest, step < MOST_STEPS_UP ? node->parent : tree_node(tree, 0));
    }
}

void
slice_samples_add(struct slice_samples *samples, const struct tree *tree, struct node *node, uint64_t ticks)
{
    struct slice_sample *entry = find_sample(samples, node);
    if (entry == NULL) {
        if (samples->count == SLICE_SAMPLES) {
            make_room(samples, tree);
            entry = find_sample(samples, node);
        }
        if (entry == NULL) {
            entry = &samples->entries[samples->count++];
            *entry = (struct slice_sample){.node = node};
        }
    }
    entry->ticks += ticks;
    samples->ticks += ticks;
}

void
slice_samples_move(struct slice_samples *samples, const struct node *from, struct node *to)
{
    for (size_t index = 0; index < samples->count; index++) {
        if (samples->entries[index].node == from) {
            samples->entries[index].node = to;
        }
    }
}

struct node *
slice_samples_culprit(const struct slice_samples *samples, const struct tree *tree)
{
    struct slice_samples left = *samples;
    struct aged_samples aged = with_ages(&left, tree);
    while (left.count > 0) {
        size_t youngest = youngest_below(&aged, UINT64_MAX);
        if (youngest == SLICE_SAMPLES) {
            return tree_node(tree, 0);
        }
        struct slice_sample *entry = &left.entries[youngest];
        if (entry->ticks >= left.ticks - left.ticks / 2) {
            return entry->node;
        }
        move_sample(&aged, youngest, entry->node->parent);
    }
    return NULL;
}

/* -- kinds --------------------------------------------------------------------------------------- */

static struct slice_kind **
bucket_of_kind(struct slices *slices, const struct function *class_function, const struct function *first)
{
    uint64_t mixed = (uint64_t)(uintptr_t)class_function * UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= (uint64_t)(uintptr_t)first * UINT64_C(0xC2B2AE3D27D4EB4F);
    return &slices->kinds[(mixed ^ mixed >> 32) >> 16 & (SLICE_KIND_BUCKETS - 1)];
}

static struct slice_kind *
find_kind(struct slice_kind *kind, const struct function *class_function, const struct function *first)
{
    while (kind != NULL && (kind->class_function != class_function || kind->first != first)) {
        kind = kind->chain;
    }
    return kind;
}

static struct slice_kind *
add_kind(struct slices *slices, struct slice_kind **bucket, const struct function *class_function,
         const struct function *first)
{
    struct slice_kind *kind = memory_get(slices->memory, sizeof *kind);
    if (kind != NULL) {
        *kind = (struct slice_kind){.chain = *bucket, .class_function = class_function, .first = first};
        *bucket = kind;
        slices->kind_count++;
    }
    return kind;
}

struct slice_kind *
slices_kind(struct slices *slices, const struct function *class_function, const struct function *first)
{
    struct slice_kind **bucket = bucket_of_kind(slices, class_function, first);
    struct slice_kind *kind = find_kind(*bucket, class_function, first);
    if (kind != NULL) {
        return kind;
    }
    if (slices->kind_count >= SLICE_KINDS_KEPT && first != slices->other_borrowed) {
        return slices_kind(slices, class_function, slices->other_borrowed);
    }
    return add_kind(slices, bucket, class_function, first);
}

static size_t
length_of_ns(int64_t ns)
{
    int bits = ns > 0 ? 64 - __builtin_clzll((unsigned long long)ns) : 0;
    int length = bits > SLICE_FIRST_LENGTH_BITS ? bits - SLICE_FIRST_LENGTH_BITS : 0;
    return (size_t)(length < SLICE_LENGTHS ? length : SLICE_LENGTHS - 1);
}

void
slice_kind_count(struct slice_kind *kind, uint64_t ticks, int64_t ns)
{
    kind->count++;
    kind->ticks += ticks;
    kind->lengths[length_of_ns(ns)]++;
    if (ticks > kind->longest_ticks) {
        kind->longest_ticks = ticks;
    }
}

/* -- slices that blocked ------------------------------------------------------------------------- */

/* Where the slice goes among the longest; NULL if it is none of them, or without memory. */
static struct blocking_slice *
place_among_longest(struct slices *slices, uint64_t ticks)
{
    if (slices->longest_count < SLICES_KEPT) {
        return &slices->longest[slices->longest_count++];
    }
    struct blocking_slice *shortest = &slices->longest[0];
    for (size_t index = 1; index < SLICES_KEPT; index++) {
        if (slices->longest[index].ticks < shortest->ticks) {
            shortest = &slices->longest[index];
        }
    }
    return ticks > shortest->ticks ? shortest : NULL;
}

static bool
have_list(struct slices *slices)
{
    if (slices->longest == NULL) {
        slices->longest = memory_get(slices->memory, SLICES_KEPT * sizeof *slices->longest);
    }
    return slices->longest != NULL;
}

static struct slice_culprit *
find_culprit(const struct slices *slices, const struct node *node)
{
    for (size_t index = 0; index < slices->culprit_count; index++) {
        struct slice_culprit *culprit = &slices->culprits[index];
        if (culprit->node == node) {
            return culprit;
        }
    }
    return NULL;
}

static bool
grow_culprits(struct slices *slices)
{
    struct slice_culprit *culprits =
        memory_grow_list(slices->memory, slices->culprits, &slices->culprit_capacity, sizeof *culprits,
                         FIRST_CULPRITS, SLICE_CULPRITS_KEPT);
    if (culprits == NULL) {
        return false;
    }
    slices->culprits = culprits;
    return true;
}

static struct slice_culprit *
culprit_for(struct slices *slices, uint64_t thread_id, struct node *node)
{
    struct slice_culprit *culprit = find_culprit(slices, node);
    if (culprit == NULL && (slices->culprit_count < slices->culprit_capacity || grow_culprits(slices))) {
        culprit = &slices->culprits[slices->culprit_count++];
        *culprit = (struct slice_culprit){.thread_id = thread_id, .node = node};
    }
    return culprit;
}

static void
add_to_culprit(struct slice_culprit *culprit, uint64_t count, uint64_t ticks, uint64_t longest_ticks)
{
    culprit->count += count;
    culprit->ticks += ticks;
    if (longest_ticks > culprit->longest_ticks) {
        culprit->longest_ticks = longest_ticks;
    }
}

void
slices_keep(struct slices *slices, const struct blocking_slice *slice)
{
    slices->blocking_count++;
    bool has_list = have_list(slices);
    struct blocking_slice *place = has_list ? place_among_longest(slices, slice->ticks) : NULL;
    struct slice_culprit *culprit = culprit_for(slices, slice->thread_id, slice->culprit);
    if (place != NULL) {
        *place = *slice;
    }
    if (culprit != NULL) {
        add_to_culprit(culprit, 1, slice->ticks, slice->ticks);
    }
    slices->unkept += !has_list || culprit == NULL;
}

/* -- folding ------------------------------------------------------------------------------------- */

static void
fold_slice(struct blocking_slice *slice, uint64_t target_id)
{
    slice->thread_id = target_id;
    slice->culprit = slice->culprit->recent;
    for (size_t index = 0; index < slice->samples.count; index++) {
        struct slice_sample *sample = &slice->samples.entries[index];
        sample->node = sample->node->recent;
    }
}

/* Two culprits may have come to the same place. */
static void
fold_culprits(struct slices *slices, uint64_t thread_id, uint64_t target_id)
{
    size_t count = slices->culprit_count;
    slices->culprit_count = 0;
    for (size_t index = 0; index < count; index++) {
        struct slice_culprit old = slices->culprits[index];
        bool moves = old.thread_id == thread_id;
        struct slice_culprit *culprit =
            culprit_for(slices, moves ? target_id : old.thread_id, moves ? old.node->recent : old.node);
        add_to_culprit(culprit, old.count, old.ticks, old.longest_ticks);
    }
}

void
slices_fold(struct slices *slices, uint64_t thread_id, uint64_t target_id)
{
    for (size_t index = 0; index < slices->longest_count; index++) {
        if (slices->longest[index].thread_id == thread_id) {
            fold_slice(&slices->longest[index], target_id);
        }
    }
    fold_culprits(slices, thread_id, target_id);
}
