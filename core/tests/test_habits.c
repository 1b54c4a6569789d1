/* test_habits.c -- what is usual of a node is known, and what is not is looked at. */
#include "check.h"

#include "habits.h"

#define US 1000
#define TIMES_UNTIL_KNOWN 8

/* Only addresses count; these have places of their own, and one that has the first one's. */
static const char nodes[32 * (HABITS_KEPT + 1)];
static const struct node *const send = (const struct node *)nodes;
static const struct node *const recv = (const struct node *)(nodes + 32);
static const struct node *const far = (const struct node *)(nodes + (size_t)32 * HABITS_KEPT);

static struct habits
no_habits(void)
{
    return (struct habits){.near_ticks = 10 * US};
}

static void
learn(struct habits *habits, const struct node *node, int times, int64_t ticks, int64_t off_cpu_ticks)
{
    for (int time = 0; time < times; time++) {
        habits_learn(habits, node, ticks, off_cpu_ticks);
    }
}

/* What is known of an interval; -1: nothing. */
static int64_t
known_off_cpu(struct habits *habits, const struct node *node, int64_t ticks)
{
    int64_t off_cpu_ticks = 0;
    return habits_know(habits, node, ticks, &off_cpu_ticks) ? off_cpu_ticks : -1;
}

static void
what_was_the_same_eight_times_in_a_row_is_known(void)
{
    struct habits habits = no_habits();
    learn(&habits, send, TIMES_UNTIL_KNOWN - 1, 28 * US, 19 * US);
    CHECK(known_off_cpu(&habits, send, 28 * US) == -1);
    learn(&habits, send, 1, 28 * US, 19 * US);
    CHECK(known_off_cpu(&habits, send, 28 * US) == 19 * US);
    CHECK(known_off_cpu(&habits, recv, 28 * US) == -1);
}

static void
an_interval_of_unusual_length_is_not_known(void)
{
    struct habits habits = no_habits();
    learn(&habits, send, TIMES_UNTIL_KNOWN, 40 * US, 19 * US);
    CHECK(known_off_cpu(&habits, send, 50 * US) == 19 * US);
    CHECK(known_off_cpu(&habits, send, 50 * US + 1) == -1);
    CHECK(known_off_cpu(&habits, send, 30 * US) == 19 * US);
    CHECK(known_off_cpu(&habits, send, 30 * US - 1) == -1);
    CHECK(known_off_cpu(&habits, send, -5 * US) == -1);
}

static void
what_is_known_is_looked_at_once_in_eight_times(void)
{
    struct habits habits = no_habits();
    int looks = 0;
    learn(&habits, send, TIMES_UNTIL_KNOWN, 28 * US, 0);
    for (int time = 0; time < 80; time++) {
        looks += known_off_cpu(&habits, send, 28 * US) < 0;
    }
    CHECK(looks == 10);
}

/* It takes as long, but is off the CPU for all of it: 11 us more than usual. */
static void
what_was_wrong_once_is_learned_anew(void)
{
    struct habits habits = no_habits();
    learn(&habits, send, 3 * TIMES_UNTIL_KNOWN, 30 * US, 19 * US);
    learn(&habits, send, 1, 30 * US, 30 * US);
    CHECK(known_off_cpu(&habits, send, 30 * US) == -1);
    learn(&habits, send, TIMES_UNTIL_KNOWN - 1, 30 * US, 30 * US);
    CHECK(known_off_cpu(&habits, send, 30 * US) == 30 * US);
}

static void
what_is_off_the_cpu_now_and_then_is_never_known(void)
{
    struct habits habits = no_habits();
    for (int time = 0; time < 100; time++) {
        learn(&habits, send, TIMES_UNTIL_KNOWN - 1, 30 * US, 0);
        CHECK(known_off_cpu(&habits, send, 30 * US) == -1);
        learn(&habits, send, 1, 30 * US, 30 * US);
    }
}

static void
a_few_intervals_of_another_length_end_no_habit(void)
{
    struct habits habits = no_habits();
    learn(&habits, send, 2 * TIMES_UNTIL_KNOWN, 28 * US, 19 * US);
    learn(&habits, send, TIMES_UNTIL_KNOWN, 70 * US, 60 * US);
    CHECK(known_off_cpu(&habits, send, 28 * US) == 19 * US);
    learn(&habits, send, 1, 70 * US, 60 * US);
    CHECK(known_off_cpu(&habits, send, 28 * US) == -1);
}

/* Always longer, as on a processor that has slowed down. */
static void
a_new_habit_takes_the_place_of_the_old_one(void)
{
    struct habits habits = no_habits();
    learn(&habits, send, 100, 28 * US, 19 * US);
    learn(&habits, send, 2 * TIMES_UNTIL_KNOWN + TIMES_UNTIL_KNOWN - 1, 56 * US, 38 * US);
    CHECK(known_off_cpu(&habits, send, 56 * US) == 38 * US);
    CHECK(known_off_cpu(&habits, send, 28 * US) == -1);
}

static void
what_is_usual_follows_what_changes_slowly(void)
{
    struct habits habits = no_habits();
    learn(&habits, send, TIMES_UNTIL_KNOWN, 28 * US, 16 * US);
    learn(&habits, send, 100, 36 * US, 24 * US);
    CHECK(known_off_cpu(&habits, send, 45 * US) > 23 * US);
    CHECK(known_off_cpu(&habits, send, 25 * US) == -1);
}

static void
of_two_nodes_at_one_place_the_last_one_has_it(void)
{
    struct habits habits = no_habits();
    learn(&habits, send, TIMES_UNTIL_KNOWN, 28 * US, 19 * US);
    learn(&habits, far, 1, 28 * US, 19 * US);
    CHECK(known_off_cpu(&habits, send, 28 * US) == -1);
    CHECK(known_off_cpu(&habits, far, 28 * US) == -1);
}

const struct test habits_tests[] = {
    {"what was the same eight times in a row is known", what_was_the_same_eight_times_in_a_row_is_known},
    {"an interval of unusual length is not known", an_interval_of_unusual_length_is_not_known},
    {"what is known is looked at once in eight times", what_is_known_is_looked_at_once_in_eight_times},
    {"what was wrong once is learned anew", what_was_wrong_once_is_learned_anew},
    {"what is off the CPU now and then is never known", what_is_off_the_cpu_now_and_then_is_never_known},
    {"a few intervals of another length end no habit", a_few_intervals_of_another_length_end_no_habit},
    {"a new habit takes the place of the old one", a_new_habit_takes_the_place_of_the_old_one},
    {"what is usual follows what changes slowly", what_is_usual_follows_what_changes_slowly},
    {"of two nodes at one place the last one has it", of_two_nodes_at_one_place_the_last_one_has_it},
    {NULL, NULL},
};
