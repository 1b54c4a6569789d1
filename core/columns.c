/* columns.c -- folds over a tree's columns. */
#include "columns.h"

#include <math.h>

bool
columns_are_in_order(const int32_t *parents, size_t count)
{
    for (size_t node = 0; node < count; node++) {
        if (parents[node] < -1 || parents[node] >= (int64_t)node) {
            return false;
        }
    }
    return true;
}

bool
columns_are_below(const int32_t *values, size_t count, size_t limit)
{
    for (size_t index = 0; index < count; index++) {
        if (values[index] < -1 || values[index] >= (int64_t)limit) {
            return false;
        }
    }
    return true;
}

void
columns_take(const int32_t *table, const int32_t *indices, size_t count, int32_t *result)
{
    for (size_t index = 0; index < count; index++) {
        result[index] = indices[index] < 0 ? -1 : table[indices[index]];
    }
}

void
columns_only(const int32_t *indices, const unsigned char *marks, size_t count, int32_t *result)
{
    for (size_t index = 0; index < count; index++) {
        result[index] = marks[index] != 0 ? indices[index] : -1;
    }
}

/* -- sums ---------------------------------------------------------------------------------------- */

/* Sums wrap around rather than overflow: a file may hold any numbers. */
static int64_t
sum_of(int64_t left, int64_t right)
{
    return (int64_t)((uint64_t)left + (uint64_t)right);
}

void
columns_sum_by(const int64_t *values, const int32_t *targets, size_t count, int64_t *sums)
{
    for (size_t index = 0; index < count; index++) {
        if (targets[index] >= 0) {
            sums[targets[index]] = sum_of(sums[targets[index]], values[index]);
        }
    }
}

void
columns_sum_upwards(int64_t *values, const int32_t *parents, size_t count)
{
    for (size_t node = count; node-- > 0;) {
        if (parents[node] >= 0) {
            values[parents[node]] = sum_of(values[parents[node]], values[node]);
        }
    }
}

/* -- walks --------------------------------------------------------------------------------------- */

void
columns_link(const int32_t *parents, size_t count, int32_t *first_children, int32_t *next_siblings)
{
    for (size_t node = 0; node < count; node++) {
        first_children[node] = next_siblings[node] = -1;
    }
    for (size_t node = count; node-- > 0;) {
        if (parents[node] >= 0) {
            next_siblings[node] = first_children[parents[node]];
            first_children[parents[node]] = (int32_t)node;
        }
    }
}

void
columns_groups_above(const int32_t *parents, const int32_t *groups, size_t count, int32_t *above)
{
    for (size_t node = 0; node < count; node++) {
        int32_t parent = parents[node];
        above[node] = parent < 0 ? -1 : groups[parent] < 0 ? above[parent] : groups[parent];
    }
}

static size_t
push_children(const struct columns_walk *walk, int32_t node, size_t pending)
{
    for (int32_t child = walk->first_children[node]; child >= 0; child = walk->next_siblings[child]) {
        walk->pending[pending++] = child;
    }
    return pending;
}

/* Depth first; ~node on the way closes a node. */
void
columns_mark_outermost(const struct columns_walk *walk, const int32_t *groups, unsigned char *outermost)
{
    size_t pending = 0;
    if (walk->count > 0) {
        walk->pending[pending++] = 0;
    }
    while (pending > 0) {
        int32_t node = walk->pending[--pending];
        if (node < 0) {
            walk->open_nodes[groups[~node]]--;
            continue;
        }
        outermost[node] = 0;
        if (groups[node] >= 0) {
            outermost[node] = walk->open_nodes[groups[node]]++ == 0;
            walk->pending[pending++] = ~node;
        }
        pending = push_children(walk, node, pending);
    }
}

/* -- numbers of pairs ---------------------------------------------------------------------------- */

size_t
columns_buckets_for(size_t pairs)
{
    size_t buckets = 16;
    while (buckets < 2 * pairs) {
        buckets *= 2;
    }
    return buckets;
}

static uint64_t
mixed(uint64_t key)
{
    key ^= key >> 29;
    key *= UINT64_C(0xBF58476D1CE4E5B9);
    return key ^ (key >> 32);
}

int32_t
columns_number(struct columns_numbers *numbers, int32_t left, int32_t right)
{
    uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) + 1;
    size_t place = (size_t)mixed(key) & (numbers->bucket_count - 1);
    while (numbers->keys[place] != 0 && numbers->keys[place] != key) {
        place = (place + 1) & (numbers->bucket_count - 1);
    }
    if (numbers->keys[place] == 0) {
        numbers->keys[place] = key;
        numbers->numbers[place] = numbers->count++;
    }
    return numbers->numbers[place];
}

/* A node without a parent is never another's like: two threads may share a name. */
size_t
columns_merge(const int32_t *parents, const int32_t *functions, size_t count, struct columns_numbers *numbers,
              int32_t *merged_parents, int32_t *merged_functions, int32_t *node_of)
{
    size_t merged = 0;
    merged_parents[merged] = merged_functions[merged] = -1;
    merged++;
    for (size_t node = 0; node < count; node++) {
        int32_t above = parents[node] < 0 ? 0 : node_of[parents[node]];
        numbers->count = (int32_t)merged;
        node_of[node] = parents[node] < 0 ? (int32_t)merged : columns_number(numbers, above, functions[node]);
        if (node_of[node] == (int32_t)merged) {
            merged_parents[merged] = above;
            merged_functions[merged] = functions[node];
            merged++;
        }
    }
    return merged;
}

/* -- the cost of events -------------------------------------------------------------------------- */

void
columns_add_event_costs(const struct columns_entries *entries,
                        const struct columns_event_cost costs[COLUMNS_EVENTS], double *cost_ns)
{
    for (size_t node = 0; node < entries->count; node++) {
        int32_t parent = entries->parents[node];
        double calls = (double)entries->calls[node], resumes = (double)entries->resumes[node];
        int32_t function = entries->functions[node];
        unsigned char kind = function < 0 ? COLUMNS_OF_UNKNOWN : entries->kinds[function];
        cost_ns[node] += (double)entries->passed_over[node] * costs[COLUMNS_PASSED_OVER].outer_ns;
        if (kind == COLUMNS_OF_UNKNOWN || parent < 0) {
            continue;
        }
        const struct columns_event_cost *call =
            &costs[kind == COLUMNS_OF_PYTHON ? COLUMNS_PYTHON_CALL : COLUMNS_C_CALL];
        cost_ns[node] += calls * call->inner_ns + resumes * costs[COLUMNS_RESUME].inner_ns;
        cost_ns[parent] += calls * call->outer_ns + resumes * costs[COLUMNS_RESUME].outer_ns;
    }
}

void
columns_take_costs(const double *cost_ns, size_t count, int64_t *running_ns, int64_t *cpu_ns,
                   int64_t *taken_ns)
{
    for (size_t node = 0; node < count; node++) {
        int64_t most_ns = cpu_ns[node] > 0 ? cpu_ns[node] : 0;
        int64_t taken = cost_ns[node] < (double)most_ns ? llround(cost_ns[node]) : most_ns;
        taken_ns[node] = taken < 0 ? 0 : taken;
        running_ns[node] -= taken_ns[node];
        cpu_ns[node] -= taken_ns[node];
    }
}
