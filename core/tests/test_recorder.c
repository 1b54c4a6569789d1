/* test_recorder.c -- calls, greenlets and threads as an event source tells them. */
#include "check.h"

#include <string.h>

#define US 1000

static void
a_leave_is_matched_by_its_frame(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    enter(&recorder, thread, &foo, 0x20);
    leave(&recorder, thread, 0x40); /* never entered: not taken for the recursive caller's */
    CHECK(thread->position->top->frame == 0x20);
    CHECK(recorder.counters.unmatched_leaves == 1);
    leave(&recorder, thread, 0x20);
    leave(&recorder, thread, 0x10);
    CHECK(thread->position->top == position_bottom(thread->position));
    CHECK(node_at(thread, &foo, &foo)->calls == 1);
    recorder_dispose(&recorder);
}

static void
a_leave_closes_the_calls_whose_own_was_lost(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    enter(&recorder, thread, &bar, 0x20);
    enter(&recorder, thread, &sleep_c, frame_of_c_call(0x20));
    leave(&recorder, thread, 0x10);
    CHECK(thread->position->top == position_bottom(thread->position));
    CHECK(recorder.counters.lost_leaves == 2);
    recorder_dispose(&recorder);
}

static void
a_c_call_is_told_from_its_caller_by_its_mark(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    enter(&recorder, thread, &sleep_c, frame_of_c_call(0x10));
    CHECK(!recorder_is_on_top(thread, 0x10));
    CHECK(recorder_is_on_top(thread, frame_of_c_call(0x10)));
    recorder_leave_top(thread, now());
    CHECK(recorder_is_on_top(thread, 0x10));
    recorder_dispose(&recorder);
}

/* With the counter of this machine; the CPU clock is never due. False: it has none. */
static bool
straight_recorder_for_test(struct recorder *recorder, struct thread **thread)
{
    recorder_for_test(recorder, NULL);
    *thread = thread_for_test(recorder);
    enter(recorder, *thread, &foo, 0x10);
    enter(recorder, *thread, &bar, 0x20);
    leave(recorder, *thread, 0x20);
    clock_init(&recorder->clock, &clock_system_readings);
    (*thread)->began_ticks = (*thread)->last_ticks = clock_ticks(&recorder->clock);
    node_at(*thread, &foo, NULL)->running_ticks = node_at(*thread, &foo, &bar)->running_ticks = 0;
    (*thread)->long_ticks = (*thread)->cpu_due_ticks = UINT64_MAX;
    return recorder->clock.counts_ticks;
}

static void
on_the_straight_path_calls_are_counted_and_time_is_charged(void)
{
    struct recorder recorder;
    struct thread *thread = NULL;
    if (straight_recorder_for_test(&recorder, &thread)) {
        const struct node *child = node_at(thread, &foo, &bar);
        CHECK(recorder_try_enter(thread, bar.key, 0x30, false));
        CHECK(recorder_is_on_top(thread, 0x30) && thread->position->top->node == child);
        CHECK(recorder_try_leave(thread, 0x30));
        CHECK(recorder_try_enter(thread, bar.key, 0x30, true));
        CHECK(recorder_try_leave(thread, 0x30));
        CHECK(recorder_is_on_top(thread, 0x10));
        CHECK(child->calls == 2 && child->resumes == 1);
        CHECK(child->running_ticks > 0 && node_at(thread, &foo, NULL)->running_ticks > 0);
        CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    }
    recorder_dispose(&recorder);
}

static bool
nothing_is_entered(struct thread *thread, const void *key)
{
    const struct open_call *top = thread->position->top;
    uint64_t last_ticks = thread->last_ticks, calls = node_at(thread, &foo, &bar)->calls;
    return !recorder_try_enter(thread, key, 0x30, false) && thread->position->top == top &&
           thread->last_ticks == last_ticks && node_at(thread, &foo, &bar)->calls == calls;
}

static bool
nothing_is_left(struct thread *thread, uintptr_t frame)
{
    const struct open_call *top = thread->position->top;
    uint64_t last_ticks = thread->last_ticks;
    return !recorder_try_leave(thread, frame) && thread->position->top == top &&
           thread->last_ticks == last_ticks;
}

static void
what_is_unusual_is_not_recorded_on_the_straight_path(void)
{
    struct recorder recorder;
    struct thread *thread = NULL;
    if (straight_recorder_for_test(&recorder, &thread)) {
        struct open_call *limit = thread->position->limit;
        CHECK(nothing_is_entered(thread, sleep_c.key));
        CHECK(nothing_is_entered(thread, NULL));
        CHECK(nothing_is_left(thread, 0x40));
        thread->position->limit = thread->position->top + 1;
        CHECK(nothing_is_entered(thread, bar.key));
        thread->position->limit = limit;
        thread->cpu_due_ticks = thread->last_ticks;
        CHECK(nothing_is_entered(thread, bar.key) && nothing_is_left(thread, 0x10));
        thread->cpu_due_ticks = UINT64_MAX;
        thread->long_ticks = 0;
        CHECK(nothing_is_entered(thread, bar.key) && nothing_is_left(thread, 0x10));
        thread->long_ticks = UINT64_MAX;
        CHECK(recorder_try_leave(thread, 0x10));
    }
    recorder_dispose(&recorder);
}

static void
children_that_follow_each_other_as_before_are_found_without_a_search(void)
{
    const struct function *const turns[] = {&bar, &sleep_c, &foo};
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    for (int turn = 0; turn < 9; turn++) {
        const struct function *function = turns[turn % 3];
        const struct node *found = recorder_recent_child(thread->position->top->node, function->key);
        CHECK(turn < 4 ? found == NULL : found != NULL);
        enter(&recorder, thread, function, 0x20);
        leave(&recorder, thread, 0x20);
    }
    CHECK(recorder_recent_child(thread->position->top->node, sleep_c.key) == NULL); /* it is not its turn */
    enter(&recorder, thread, &sleep_c, 0x20);
    leave(&recorder, thread, 0x20);
    CHECK(node_at(thread, &foo, &bar)->calls == 3);
    CHECK(node_at(thread, &foo, &sleep_c)->calls == 4);
    CHECK(node_at(thread, &foo, &foo)->calls == 3);
    recorder_dispose(&recorder);
}

/* How many of these calls by foo are found without a search; each takes some time. */
static int
found_without_a_search(struct recorder *recorder, struct thread *thread, const struct function *const *turns,
                       int count)
{
    int found = 0;
    for (int turn = 0; turn < count; turn++) {
        found += recorder_recent_child(thread->position->top->node, turns[turn % 4]->key) != NULL;
        run_for(7);
        enter(recorder, thread, turns[turn % 4], 0x20);
        leave(recorder, thread, 0x20);
    }
    return found;
}

/* bar is called in two places: after it, sleep comes as often as foo. */
static void
a_child_that_two_others_follow_in_turns_does_not_always_need_a_search(void)
{
    const struct function *const in_turns[] = {&bar, &sleep_c, &bar, &foo};
    const struct function *const changed[] = {&bar, &foo, &bar, &foo};
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    (void)found_without_a_search(&recorder, thread, in_turns, 8);
    int found = found_without_a_search(&recorder, thread, in_turns, 4000);
    CHECK(found > 2000 + 500 && found < 4000);
    (void)found_without_a_search(&recorder, thread, changed, 400);
    CHECK(found_without_a_search(&recorder, thread, changed, 400) == 400);
    recorder_dispose(&recorder);
}

static void
what_is_kept_of_a_greenlet_has_its_beginning_its_end_and_its_longest_slice(void)
{
    struct recorder recorder;
    int worker, main_greenlet;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &main_greenlet);
    run_for(3 * US);
    uint64_t began_ticks = now();
    for (int turn = 1; turn <= 3; turn++) {
        switch_to(&recorder, thread, &worker);
        run_for((turn == 2 ? 70 : 10) * US);
        switch_to(&recorder, thread, &main_greenlet);
        run_for(1 * US);
    }
    recorder_end_greenlet(&recorder, thread, position_map_find(&recorder.greenlets, &worker));
    run_for(500 * US);
    const struct greenlet_record *record = &recorder.ended_greenlets[0];
    CHECK(recorder.ended_greenlet_count == 1 && !record->alive);
    CHECK(record->id == 2 && record->thread_id == 1 && record->class_index == greenlet_class.index);
    CHECK(record->began_ticks == began_ticks && record->ended_ticks == began_ticks + 92 * US);
    CHECK(record->longest_slice_ticks == 70 * US);
    recorder_dispose(&recorder);
}

static void
greenlets_of_one_class_share_their_nodes(void)
{
    struct recorder recorder;
    static char greenlets[1000];
    int main_greenlet;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &main_greenlet);
    for (int index = 0; index < 1000; index++) {
        switch_to(&recorder, thread, &greenlets[index]);
        enter(&recorder, thread, &foo, 0x10);
        leave(&recorder, thread, 0x10);
        switch_to(&recorder, thread, &main_greenlet);
        recorder_end_greenlet(&recorder, thread, position_map_find(&recorder.greenlets, &greenlets[index]));
    }
    CHECK(node_at(thread, &foo, NULL)->calls == 1000);
    CHECK(thread->tree.node_count == 4); /* thread, its spill, class, foo */
    CHECK(recorder.ended_greenlet_count == 1000);
    CHECK(recorder.ended_greenlets[999].kind_index == foo.index);
    CHECK(!recorder.ended_greenlets[999].alive);
    CHECK(recorder.greenlets.count == 1);
    recorder_dispose(&recorder);
}

static void
past_their_limit_greenlets_leave_no_record_but_a_count(void)
{
    const struct recorder_limits limits = {.nodes = 100, .ended_threads = 1, .ended_greenlets = 3};
    struct recorder recorder;
    static char greenlets[5];
    int main_greenlet;
    recorder_for_test(&recorder, &limits);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &main_greenlet);
    for (int index = 0; index < 5; index++) {
        switch_to(&recorder, thread, &greenlets[index]);
        switch_to(&recorder, thread, &main_greenlet);
        recorder_end_greenlet(&recorder, thread, position_map_find(&recorder.greenlets, &greenlets[index]));
    }
    CHECK(recorder.ended_greenlet_count == 3);
    CHECK(recorder.counters.unrecorded_greenlets == 2);
    recorder_dispose(&recorder);
}

static void
past_the_budget_paths_fold_into_one_node_a_place(void)
{
    const struct recorder_limits limits = {.nodes = 6, .ended_threads = 1, .ended_greenlets = 1};
    static struct function functions[100];
    struct recorder recorder;
    recorder_for_test(&recorder, &limits);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    for (int index = 0; index < 100; index++) {
        functions[index].key = &functions[index];
        enter(&recorder, thread, &functions[index], 0x20);
        run_for(US);
        enter(&recorder, thread, &bar, 0x30);
        run_for(US);
        leave(&recorder, thread, 0x30);
        leave(&recorder, thread, 0x20);
    }
    leave(&recorder, thread, 0x10);
    struct node *folded = node_at(thread, &foo, &truncated_mark);
    CHECK(folded != NULL);
    CHECK(folded->calls == recorder.counters.truncated_calls);
    CHECK(recorder.node_count <= 2 * limits.nodes);
    CHECK(thread->position->top == position_bottom(thread->position));
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    CHECK(charged_ticks(thread) == 200 * US);
    recorder_dispose(&recorder);
}

static void
past_the_budget_the_profilers_own_calls_are_not_taken_for_the_programs(void)
{
    const struct recorder_limits limits = {.nodes = 4, .ended_threads = 1, .ended_greenlets = 1};
    const struct function stop = {.key = &stop, .flags = FUNCTION_IS_HIDDEN};
    struct recorder recorder;
    recorder_for_test(&recorder, &limits);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    enter(&recorder, thread, &bar, 0x20);
    enter(&recorder, thread, &hub_run, 0x28);
    uint64_t truncated_calls = recorder.counters.truncated_calls;
    CHECK(truncated_calls > 0);
    enter(&recorder, thread, &stop, 0x30);
    enter(&recorder, thread, &sleep_c, 0x40);
    CHECK(recorder.counters.truncated_calls == truncated_calls);
    leave(&recorder, thread, 0x20);
    leave(&recorder, thread, 0x10);
    CHECK(thread->position->top == position_bottom(thread->position));
    recorder_dispose(&recorder);
}

static void
nothing_of_a_recording_survives_its_stop_as_a_stack(void)
{
    struct recorder recorder;
    int greenlet;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &greenlet);
    enter(&recorder, thread, &foo, 0x10);
    run_for(4 * US);
    recorder_stop(&recorder, now());
    CHECK(thread->position == NULL && thread->positions == NULL);
    CHECK(recorder.greenlets.count == 0);
    CHECK(recorder.ended_greenlets[0].alive);
    CHECK(recorder.ended_greenlets[0].running_ticks == 4 * US);
    run_for(100 * US); /* between the recordings: nobody's */
    CHECK(recorder_resume_thread(&recorder, thread, now()));
    recorder_set_base(&recorder, thread, thread->position, &greenlet_class);
    enter(&recorder, thread, &bar, 0x20);
    run_for(2 * US);
    recorder_stop(&recorder, now());
    CHECK(node_at(thread, &bar, NULL)->calls == 1);
    CHECK(node_at(thread, &foo, &bar) == NULL);
    CHECK(thread_recorded_ticks(thread) == 6 * US);
    CHECK(charged_ticks(thread) == 6 * US);
    recorder_dispose(&recorder);
}

static void
threads_that_ended_past_the_limit_are_folded_into_one(void)
{
    const struct recorder_limits limits = {.nodes = 1000, .ended_threads = 2, .ended_greenlets = 9};
    struct recorder recorder;
    recorder_for_test(&recorder, &limits);
    for (int index = 0; index < 50; index++) {
        struct thread *thread = thread_for_test(&recorder);
        enter(&recorder, thread, &foo, 0x10);
        run_for(3 * US);
        CHECK(recorder_end_thread(&recorder, thread, now()) == (index >= 2));
    }
    CHECK(recorder.counters.folded_threads == 48);
    CHECK(node_at(recorder.ended, &foo, NULL)->calls == 48);
    CHECK(charged_ticks(recorder.ended) == 48 * 3 * US);
    CHECK(thread_recorded_ticks(recorder.ended) == 48 * 3 * US);
    CHECK(recorder.node_count == 3 * 4);
    recorder_dispose(&recorder);
}

static void
a_settled_recording_goes_on(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    enter(&recorder, thread, &foo, 0x10);
    run_for(4 * US);
    recorder_settle(&recorder, now());
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 4 * US);
    CHECK(thread->position->running_ticks == 4 * US);
    run_for(5 * US);
    leave(&recorder, thread, 0x10);
    CHECK(node_at(thread, &foo, NULL)->running_ticks == 9 * US);
    CHECK(node_at(thread, &foo, NULL)->calls == 1);
    recorder_dispose(&recorder);
}

static void
another_greenlet_at_the_same_address_is_another(void)
{
    struct recorder recorder;
    int main_greenlet, address;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &main_greenlet);
    switch_to(&recorder, thread, &address);
    struct position *first = thread->position;
    enter(&recorder, thread, &foo, 0x10);
    switch_to(&recorder, thread, &main_greenlet);
    recorder_unname_greenlet(&recorder, first);
    switch_to(&recorder, thread, &address);
    CHECK(thread->position != first);
    CHECK(thread->position->top == position_bottom(thread->position));
    recorder_dispose(&recorder);
}

static void
a_greenlet_without_room_makes_no_false_edges(void)
{
    struct recorder recorder;
    int main_greenlet;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &main_greenlet);
    enter(&recorder, thread, &foo, 0x10);
    thread_charge(thread, now());
    thread_switch(thread, recorder_stray(thread), now());
    enter(&recorder, thread, &bar, 0x20);
    run_for(5 * US);
    switch_to(&recorder, thread, &main_greenlet);
    thread_switch(thread, recorder_stray(thread), now());
    switch_to(&recorder, thread, &main_greenlet);
    leave(&recorder, thread, 0x10);
    CHECK(node_at(thread, &foo, &bar) == NULL);
    CHECK(thread->spill->running_ticks == 5 * US);
    CHECK(thread->spill->waits == NULL);
    CHECK(recorder.counters.truncated_calls == 1);
    CHECK(recorder.counters.unmatched_leaves == 0);
    CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    recorder_stop(&recorder, now());
    CHECK(recorder.ended_greenlet_count == 1);
    recorder_dispose(&recorder);
}

/* Of everything that a recording can hold: two threads, one of them folded, greenlets that wait and that
 * ended, and things that went wrong. */
static struct thread *
record_a_little_of_everything(struct recorder *recorder)
{
    static char greenlets[3];
    struct thread *thread = thread_for_test(recorder);
    recorder_name_greenlet(recorder, thread->position, &greenlets[0]);
    enter(recorder, thread, &foo, 0x10);
    switch_to(recorder, thread, &greenlets[1]);
    enter(recorder, thread, &bar, 0x20);
    switch_to(recorder, thread, &greenlets[2]);
    run_for(3 * US);
    leave(recorder, thread, 0x30);
    switch_to(recorder, thread, &greenlets[0]);
    recorder_end_greenlet(recorder, thread, position_map_find(&recorder->greenlets, &greenlets[2]));
    CHECK(recorder_end_thread(recorder, thread_for_test(recorder), now()));
    return thread;
}

static void
a_recorder_that_forgets_is_as_new(void)
{
    const struct recorder_limits limits = {.nodes = 100, .ended_threads = 0, .ended_greenlets = 10};
    const struct recorder_counters zero = {0};
    struct recorder recorder;
    int greenlet;
    recorder_for_test(&recorder, &limits);
    size_t bytes_when_new = recorder.memory.bytes;
    (void)record_a_little_of_everything(&recorder);
    CHECK(recorder.ended != NULL && recorder.ended_greenlet_count == 2 && recorder.greenlets.count == 2);
    recorder_forget(&recorder);
    CHECK(recorder.memory.bytes == bytes_when_new);
    CHECK(recorder.threads == NULL && recorder.ended == NULL);
    CHECK(recorder.node_count == 0 && recorder.ended_greenlet_count == 0);
    CHECK(recorder.greenlets.count == 0);
    CHECK(memcmp(&recorder.counters, &zero, sizeof zero) == 0);
    struct thread *thread = thread_for_test(&recorder);
    recorder_name_greenlet(&recorder, thread->position, &greenlet);
    enter(&recorder, thread, &bar, 0x20);
    run_for(5 * US);
    leave(&recorder, thread, 0x20);
    CHECK(thread->id == 1 && thread->position->id == 1);
    CHECK(node_at(thread, &foo, NULL) == NULL);
    CHECK(node_at(thread, &bar, NULL)->calls == 1);
    CHECK(charged_ticks(thread) == 5 * US && thread_recorded_ticks(thread) == 5 * US);
    recorder_dispose(&recorder);
}

static void
forgetting_needs_no_memory(void)
{
    const struct recorder_limits limits = {.nodes = 100, .ended_threads = 0, .ended_greenlets = 10};
    struct failing_memory failing = {0};
    struct memory memory;
    struct clock clock;
    struct recorder recorder;
    failing_memory_init(&memory, &failing);
    fake_clock_init(&clock);
    CHECK(recorder_init(&recorder, &memory, &clock, &limits));
    recorder_set_marks(&recorder, &truncated_mark, &ended_mark);
    (void)record_a_little_of_everything(&recorder);
    size_t requests = failing.requests;
    recorder_forget(&recorder);
    CHECK(failing.requests == requests);
    failing.requests = 0;
    for (failing.fail_at = 1; thread_for_test(&recorder) == NULL; failing.fail_at++) {
        CHECK(recorder.node_count == 0 && recorder.threads == NULL);
        failing.requests = 0;
    }
    CHECK(failing.fail_at > 5);
    recorder_dispose(&recorder);
    CHECK(recorder.memory.bytes == 0);
}

const struct test recorder_tests[] = {
    {"a recorder that forgets is as new", a_recorder_that_forgets_is_as_new},
    {"forgetting needs no memory", forgetting_needs_no_memory},
    {"a greenlet without room makes no false edges", a_greenlet_without_room_makes_no_false_edges},
    {"a leave is matched by its frame", a_leave_is_matched_by_its_frame},
    {"a leave closes the calls whose own was lost", a_leave_closes_the_calls_whose_own_was_lost},
    {"a C call that ended untold is closed by its caller's next",
     a_c_call_is_told_from_its_caller_by_its_mark},
    {"on the straight path calls are counted and time is charged",
     on_the_straight_path_calls_are_counted_and_time_is_charged},
    {"what is unusual is not recorded on the straight path",
     what_is_unusual_is_not_recorded_on_the_straight_path},
    {"children that follow each other as before are found without a search",
     children_that_follow_each_other_as_before_are_found_without_a_search},
    {"a child that two others follow in turns does not always need a search",
     a_child_that_two_others_follow_in_turns_does_not_always_need_a_search},
    {"what is kept of a greenlet has its beginning, its end and its longest slice",
     what_is_kept_of_a_greenlet_has_its_beginning_its_end_and_its_longest_slice},
    {"greenlets of one class share their nodes", greenlets_of_one_class_share_their_nodes},
    {"past their limit greenlets leave no record but a count",
     past_their_limit_greenlets_leave_no_record_but_a_count},
    {"past the budget paths fold into one node a place", past_the_budget_paths_fold_into_one_node_a_place},
    {"past the budget the profiler's own calls are not taken for the program's",
     past_the_budget_the_profilers_own_calls_are_not_taken_for_the_programs},
    {"nothing of a recording survives its stop as a stack",
     nothing_of_a_recording_survives_its_stop_as_a_stack},
    {"threads that ended past the limit are folded into one",
     threads_that_ended_past_the_limit_are_folded_into_one},
    {"a settled recording goes on", a_settled_recording_goes_on},
    {"another greenlet at the same address is another", another_greenlet_at_the_same_address_is_another},
    {NULL, NULL},
};
