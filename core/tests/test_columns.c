/* test_columns.c -- folds over a tree's columns, on one small tree:
 *
 *      0 . a=1 . b=2 . a=3            functions 0 (a) and 1 (b); node 0 is a mark: group -1
 *            . b=4 . c=5
 */
#include "check.h"
#include "columns.h"

#include <string.h>

enum { NODES = 6 };
static const int32_t parents[NODES] = {-1, 0, 1, 2, 1, 4};
static const int32_t groups[NODES] = {-1, 0, 1, 0, 1, 2};

static bool
are_numbers(const int32_t *numbers, const int32_t *expected, size_t count)
{
    return memcmp(numbers, expected, count * sizeof *numbers) == 0;
}

static bool
are_values(const int64_t *values, const int64_t *expected, size_t count)
{
    return memcmp(values, expected, count * sizeof *values) == 0;
}

static void
a_parent_behind_its_child_is_out_of_order(void)
{
    const int32_t itself[] = {-1, 1}, below_none[] = {-2};
    CHECK(columns_are_in_order(parents, NODES));
    CHECK(!columns_are_in_order(itself, 2));
    CHECK(!columns_are_in_order(below_none, 1));
    CHECK(columns_are_in_order(NULL, 0));
}

static void
an_index_is_none_or_below_the_limit(void)
{
    const int32_t below_none[] = {-2};
    CHECK(columns_are_below(groups, NODES, 3));
    CHECK(!columns_are_below(groups, NODES, 2));
    CHECK(!columns_are_below(below_none, 1, 3));
}

static void
what_is_taken_of_a_table_keeps_none(void)
{
    const int32_t table[] = {7, 8, 9};
    int32_t result[NODES];
    columns_take(table, groups, NODES, result);
    CHECK(are_numbers(result, (int32_t[]){-1, 7, 8, 7, 8, 9}, NODES));
}

static void
an_unmarked_index_becomes_none(void)
{
    int32_t result[3];
    columns_only((int32_t[]){4, 5, 6}, (unsigned char[]){1, 0, 1}, 3, result);
    CHECK(are_numbers(result, (int32_t[]){4, -1, 6}, 3));
}

static void
sums_leave_out_what_has_no_target(void)
{
    const int64_t values[NODES] = {1, 2, 4, 8, 16, 32};
    int64_t sums[3] = {0};
    columns_sum_by(values, groups, NODES, sums);
    CHECK(are_values(sums, (int64_t[]){10, 20, 32}, 3));
}

static void
sums_go_up_to_every_node_above(void)
{
    int64_t values[NODES] = {1, 2, 4, 8, 16, 32};
    columns_sum_upwards(values, parents, NODES);
    CHECK(are_values(values, (int64_t[]){63, 62, 12, 8, 48, 32}, NODES));
}

static void
sums_beyond_64_bits_wrap_around(void)
{
    int64_t values[2] = {INT64_MAX, 1};
    columns_sum_upwards(values, (int32_t[]){-1, 0}, 2);
    CHECK(values[0] == INT64_MIN);
}

static void
links_lead_to_each_child_in_order(void)
{
    int32_t first[NODES], next[NODES];
    columns_link(parents, NODES, first, next);
    CHECK(are_numbers(first, (int32_t[]){1, 2, 3, -1, 5, -1}, NODES));
    CHECK(are_numbers(next, (int32_t[]){-1, -1, 4, -1, -1, -1}, NODES));
}

static void
the_group_above_skips_marks(void)
{
    const int32_t with_mark_inside[NODES] = {-1, 0, -1, 0, 1, 2};
    int32_t above[NODES];
    columns_groups_above(parents, with_mark_inside, NODES, above);
    CHECK(are_numbers(above, (int32_t[]){-1, -1, 0, 0, 0, 1}, NODES));
}

static void
outermost_is_what_has_none_of_its_group_above(void)
{
    int32_t room[4 * NODES + 3] = {0};
    unsigned char outermost[NODES];
    struct columns_walk walk = {room, room + NODES, NODES, room + 2 * NODES, room + 4 * NODES};
    columns_link(parents, NODES, room, room + NODES);
    columns_mark_outermost(&walk, groups, outermost);
    CHECK(memcmp(outermost, (unsigned char[]){0, 1, 1, 0, 1, 1}, NODES) == 0);
}

static struct columns_numbers
new_numbers(void)
{
    static uint64_t keys[32];
    static int32_t numbers[32];
    memset(keys, 0, sizeof keys);
    return (struct columns_numbers){keys, numbers, 32, 0};
}

static void
a_pair_has_one_number_in_order_of_appearance(void)
{
    struct columns_numbers numbers = new_numbers();
    CHECK(columns_number(&numbers, 5, 6) == 0);
    CHECK(columns_number(&numbers, 6, 5) == 1);
    CHECK(columns_number(&numbers, 5, 6) == 0);
    CHECK(columns_number(&numbers, 0, 0) == 2);
    CHECK(numbers.count == 3);
}

static void
there_are_twice_as_many_buckets_as_pairs(void)
{
    CHECK(columns_buckets_for(0) >= 1);
    CHECK(columns_buckets_for(1000) >= 2000);
    CHECK((columns_buckets_for(1000) & (columns_buckets_for(1000) - 1)) == 0);
}

/* Two trees with the same function on top stay apart; siblings of one function come together. */
static void
merging_joins_siblings_of_one_function_and_no_roots(void)
{
    const int32_t forest[] = {-1, 0, 0, 1, 2, -1, 5}, functions[] = {9, 1, 1, 2, 2, 9, 1};
    int32_t merged_parents[8], merged_functions[8], node_of[7];
    struct columns_numbers numbers = new_numbers();
    size_t merged = columns_merge(forest, functions, 7, &numbers, merged_parents, merged_functions, node_of);
    CHECK(merged == 6);
    CHECK(are_numbers(merged_parents, (int32_t[]){-1, 0, 1, 2, 0, 4}, 6));
    CHECK(are_numbers(merged_functions, (int32_t[]){-1, 9, 1, 2, 9, 1}, 6));
    CHECK(are_numbers(node_of, (int32_t[]){1, 2, 2, 3, 3, 4, 5}, 7));
}

/* Events cost 10 ns at the caller and 1 ns at the callee, 20 and 2 for a resume, 40 and 4 in C, 80 if passed
 * over. */
static const struct columns_event_cost costs[COLUMNS_EVENTS] = {{10, 1}, {20, 2}, {40, 4}, {80, 0}};

static void
an_event_costs_caller_and_callee(void)
{
    const unsigned char kinds[] = {COLUMNS_OF_PYTHON, COLUMNS_OF_C, COLUMNS_OF_UNKNOWN};
    const int32_t functions[NODES] = {2, 0, 1, 0, 1, 2};
    const int64_t calls[NODES] = {0, 3, 5, 7, 0, 9}, resumes[NODES] = {0, 100, 0, 0, 0, 0};
    const int64_t passed_over[NODES] = {0, 0, 0, 0, 1, 0};
    double cost_ns[NODES] = {0};
    struct columns_entries entries = {parents, functions, kinds, calls, resumes, passed_over, NODES};
    columns_add_event_costs(&entries, costs, cost_ns);
    CHECK(cost_ns[0] == 3 * 10 + 100 * 20);
    CHECK(cost_ns[1] == 3 * 1 + 100 * 2 + 5 * 40);
    CHECK(cost_ns[2] == 5 * 4 + 7 * 10);
    CHECK(cost_ns[3] == 7 * 1);
    CHECK(cost_ns[4] == 80);
    CHECK(cost_ns[5] == 0);
}

static void
no_more_is_taken_than_there_is_cpu_time(void)
{
    const double cost_ns[4] = {10.4, 30, -5, 7};
    int64_t running_ns[4] = {100, 100, 100, 100}, cpu_ns[4] = {50, 20, 50, -3}, taken_ns[4];
    columns_take_costs(cost_ns, 4, running_ns, cpu_ns, taken_ns);
    CHECK(are_values(taken_ns, (int64_t[]){10, 20, 0, 0}, 4));
    CHECK(are_values(running_ns, (int64_t[]){90, 80, 100, 100}, 4));
    CHECK(are_values(cpu_ns, (int64_t[]){40, 0, 50, -3}, 4));
}

const struct test columns_tests[] = {
    {"a parent behind its child is out of order", a_parent_behind_its_child_is_out_of_order},
    {"an index is none or below the limit", an_index_is_none_or_below_the_limit},
    {"what is taken of a table keeps none", what_is_taken_of_a_table_keeps_none},
    {"an unmarked index becomes none", an_unmarked_index_becomes_none},
    {"sums leave out what has no target", sums_leave_out_what_has_no_target},
    {"sums go up to every node above", sums_go_up_to_every_node_above},
    {"sums beyond 64 bits wrap around", sums_beyond_64_bits_wrap_around},
    {"links lead to each child in order", links_lead_to_each_child_in_order},
    {"the group above skips marks", the_group_above_skips_marks},
    {"outermost is what has none of its group above", outermost_is_what_has_none_of_its_group_above},
    {"a pair has one number in order of appearance", a_pair_has_one_number_in_order_of_appearance},
    {"there are twice as many buckets as pairs", there_are_twice_as_many_buckets_as_pairs},
    {"merging joins siblings of one function and no roots",
     merging_joins_siblings_of_one_function_and_no_roots},
    {"an event costs caller and callee", an_event_costs_caller_and_callee},
    {"no more is taken than there is CPU time", no_more_is_taken_than_there_is_cpu_time},
    {NULL, NULL},
};
