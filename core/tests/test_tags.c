/* test_tags.c -- parts of a call that the program has named. */
#include "check.h"

#define US INT64_C(1000)

static const struct function request = {.key = &request, .index = 20, .flags = FUNCTION_IS_TAG};
static const struct function query = {.key = &query, .index = 21, .flags = FUNCTION_IS_TAG};
static const struct function enter_tag = {.key = &enter_tag, .index = 22, .flags = FUNCTION_IS_HIDDEN};

/* What the profiler does for `with tag:`, in a call of its own. */
static void
open_tag(struct recorder *recorder, struct thread *thread, const struct function *tag)
{
    enter(recorder, thread, &enter_tag, 0x900);
    enter(recorder, thread, &sleep_c, frame_of_c_call(0x900));
    recorder_open_tag(recorder, thread, tag);
    leave(recorder, thread, frame_of_c_call(0x900));
    leave(recorder, thread, 0x900);
}

static void
close_tag(struct recorder *recorder, struct thread *thread, const struct function *tag)
{
    enter(recorder, thread, &enter_tag, 0x900);
    recorder_close_tag(thread, tag);
    leave(recorder, thread, 0x900);
}

static struct node *
child(const struct thread *thread, const struct node *parent, const struct function *function)
{
    return tree_find(&thread->tree, parent, function->key);
}

static struct thread *
thread_in_foo(struct recorder *recorder)
{
    recorder_for_test(recorder, NULL);
    struct thread *thread = thread_for_test(recorder);
    enter(recorder, thread, &foo, 0x10);
    return thread;
}

static void
what_is_done_in_a_tag_is_below_it(void)
{
    struct recorder recorder;
    struct thread *thread = thread_in_foo(&recorder);
    open_tag(&recorder, thread, &request);
    run_for(3 * US);
    enter(&recorder, thread, &bar, 0x20);
    run_for(5 * US);
    leave(&recorder, thread, 0x20);
    close_tag(&recorder, thread, &request);
    enter(&recorder, thread, &bar, 0x20);
    leave(&recorder, thread, 0x20);
    leave(&recorder, thread, 0x10);
    const struct node *in_foo = node_at(thread, &foo, NULL);
    const struct node *tag = child(thread, in_foo, &request);
    CHECK(tag->calls == 1 && tag->running_ticks == 3 * US);
    CHECK(child(thread, tag, &bar)->calls == 1 && child(thread, tag, &bar)->running_ticks == 5 * US);
    CHECK(child(thread, in_foo, &bar)->calls == 1 && in_foo->calls == 1);
    CHECK(recorder.counters.lost_leaves == 0 && recorder.counters.unmatched_leaves == 0);
    CHECK(thread->position->top == position_bottom(thread->position));
    recorder_dispose(&recorder);
}

static void
tags_in_one_call_are_below_each_other(void)
{
    struct recorder recorder;
    struct thread *thread = thread_in_foo(&recorder);
    open_tag(&recorder, thread, &request);
    open_tag(&recorder, thread, &query);
    close_tag(&recorder, thread, &query);
    open_tag(&recorder, thread, &request);
    const struct node *outer = child(thread, node_at(thread, &foo, NULL), &request);
    CHECK(outer->calls == 1);
    CHECK(child(thread, outer, &query)->calls == 1);
    CHECK(child(thread, outer, &request)->calls == 1);
    close_tag(&recorder, thread, &request);
    CHECK(thread->position->top->node == outer);
    recorder_dispose(&recorder);
}

static void
a_tag_ends_with_the_call_that_entered_it(void)
{
    struct recorder recorder;
    struct thread *thread = thread_in_foo(&recorder);
    enter(&recorder, thread, &bar, 0x20);
    open_tag(&recorder, thread, &request);
    open_tag(&recorder, thread, &query);
    leave(&recorder, thread, 0x20);
    CHECK(recorder_is_on_top(thread, 0x10));
    CHECK(recorder.counters.lost_leaves == 0);
    close_tag(&recorder, thread, &query); /* too late */
    CHECK(recorder_is_on_top(thread, 0x10));
    recorder_dispose(&recorder);
}

static void
calls_of_c_come_and_go_above_a_tag(void)
{
    struct recorder recorder;
    struct thread *thread = thread_in_foo(&recorder);
    open_tag(&recorder, thread, &request);
    enter(&recorder, thread, &sleep_c, frame_of_c_call(0x10));
    leave(&recorder, thread, frame_of_c_call(0x10));
    CHECK(recorder_is_on_top(thread, frame_of_tag(0x10)));
    const struct node *tag = child(thread, node_at(thread, &foo, NULL), &request);
    CHECK(child(thread, tag, &sleep_c)->calls == 1);
    CHECK(position_python_call(thread->position)->frame == 0x10);
    leave(&recorder, thread, 0x10);
    CHECK(thread->position->top == position_bottom(thread->position));
    recorder_dispose(&recorder);
}

static void
a_tag_is_its_greenlets(void)
{
    struct recorder recorder;
    int worker, home;
    struct thread *thread = thread_in_foo(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &home);
    open_tag(&recorder, thread, &request);
    switch_to(&recorder, thread, &worker);
    enter(&recorder, thread, &bar, 0x50);
    CHECK(thread->position->top->node == node_at(thread, &bar, NULL));
    close_tag(&recorder, thread, &request); /* not this greenlet's */
    switch_to(&recorder, thread, &home);
    CHECK(recorder_is_on_top(thread, frame_of_tag(0x10)));
    recorder_dispose(&recorder);
}

static void
where_the_program_has_no_call_nothing_is_tagged(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    open_tag(&recorder, thread, &request);
    CHECK(thread->position->top == position_bottom(thread->position));
    CHECK(recorder.counters.unopened_tags == 0);
    recorder_dispose(&recorder);
}

static void
a_tag_without_room_is_counted(void)
{
    const struct recorder_limits narrow = {
        .nodes = 4, .ended_threads = 1, .ended_greenlets = 10, .blocking_ns = 100000000};
    struct recorder recorder;
    recorder_for_test(&recorder, &narrow);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    open_tag(&recorder, thread, &request);
    CHECK(recorder.counters.unopened_tags == 1);
    CHECK(recorder_is_on_top(thread, 0x10));
    close_tag(&recorder, thread, &request);
    leave(&recorder, thread, 0x10);
    CHECK(recorder.counters.lost_leaves == 0);
    recorder_dispose(&recorder);
}

static void
a_tag_without_memory_for_its_call_is_counted(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    enter(&recorder, thread, &bar, 0x20);
    recorder.memory.limit =
        recorder.memory.bytes; /* the base and two calls: that was all there was room for */
    recorder_open_tag(&recorder, thread, &request);
    CHECK(recorder.counters.unopened_tags == 1);
    CHECK(recorder_is_on_top(thread, 0x20));
    recorder_dispose(&recorder);
}

const struct test tags_tests[] = {
    {"what is done in a tag is below it", what_is_done_in_a_tag_is_below_it},
    {"tags in one call are below each other", tags_in_one_call_are_below_each_other},
    {"a tag ends with the call that entered it", a_tag_ends_with_the_call_that_entered_it},
    {"calls of C come and go above a tag", calls_of_c_come_and_go_above_a_tag},
    {"a tag is its greenlet's", a_tag_is_its_greenlets},
    {"where the program has no call nothing is tagged", where_the_program_has_no_call_nothing_is_tagged},
    {"a tag without room is counted", a_tag_without_room_is_counted},
    {"a tag without memory for its call is counted", a_tag_without_memory_for_its_call_is_counted},
    {NULL, NULL},
};
