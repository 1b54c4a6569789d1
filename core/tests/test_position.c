/* test_position.c -- open calls, and the map from greenlets to positions. */
#include "check.h"

#define MANY 1000

static void
open_calls_survive_growing(void)
{
    struct memory memory;
    struct node base = {0};
    memory_init(&memory);
    struct position *position = position_new(&memory, &memory, &base);
    CHECK(position != NULL);
    for (uintptr_t frame = 2; frame < 2 * MANY; frame += 2) {
        CHECK(position->top + 1 < position->limit || position_grow(&memory, position));
        *++position->top = (struct open_call){.frame = frame, .node = &base};
    }
    for (uintptr_t frame = 2; frame < 2 * MANY; frame += 2) {
        CHECK(position_find_call(position, frame) == position_bottom(position) + frame / 2);
    }
    CHECK(position_base_node(position) == &base);
    CHECK(position_find_call(position, 3) == NULL);
    CHECK(position_find_call(position, 0) == NULL);
    position_free(&memory, position);
    CHECK(memory.bytes == 0);
}

static void
a_position_without_memory_leaves_nothing_behind(void)
{
    struct node base = {0};
    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct failing_memory failing = {.fail_at = fail_at};
        struct memory memory;
        failing_memory_init(&memory, &failing);
        CHECK(position_new(&memory, &memory, &base) == NULL);
        CHECK(memory.bytes == 0);
    }
}

static void
a_greenlet_is_found_until_it_is_removed(void)
{
    static char greenlets[MANY];
    static struct position *positions[MANY];
    struct memory memory;
    struct node base = {0};
    struct position_map map;
    memory_init(&memory);
    CHECK(position_map_init(&map, &memory));
    for (int index = 0; index < MANY; index++) {
        positions[index] = position_new(&memory, &greenlets[index], &base);
        position_map_add(&map, &memory, positions[index]);
    }
    for (int index = 0; index < MANY; index += 2) {
        position_map_remove(&map, positions[index]);
    }
    for (int index = 0; index < MANY; index++) {
        struct position *expected = index % 2 == 0 ? NULL : positions[index];
        CHECK(position_map_find(&map, &greenlets[index]) == expected);
    }
    for (int index = 0; index < MANY; index++) {
        position_free(&memory, positions[index]);
    }
    position_map_dispose(&map, &memory);
    CHECK(memory.bytes == 0);
}

static void
a_living_greenlet_takes_no_more_than_200_bytes_beside_its_calls(void)
{
    CHECK(sizeof(struct position) <= 200);
    CHECK(sizeof(struct open_call) == 16);
}

const struct test position_tests[] = {
    {"open calls survive growing", open_calls_survive_growing},
    {"a position without memory leaves nothing behind", a_position_without_memory_leaves_nothing_behind},
    {"a greenlet is found until it is removed", a_greenlet_is_found_until_it_is_removed},
    {"a living greenlet takes no more than 200 bytes beside its calls",
     a_living_greenlet_takes_no_more_than_200_bytes_beside_its_calls},
    {NULL, NULL},
};
