/* test_timeline.c -- who ran when. */
#include "check.h"

#define MS INT64_C(1000000)

/* Greenlets of the tests; only their addresses count. */
static const int hub, worker;

static void
recorder_with_timeline(struct recorder *recorder, size_t capacity)
{
    const struct recorder_limits limits = {.nodes = 1000,
                                           .ended_threads = 1,
                                           .ended_greenlets = 1000,
                                           .blocking_ns = 100 * MS,
                                           .timeline = capacity};
    recorder_for_test(recorder, &limits);
}

static struct thread *
thread_with_hub(struct recorder *recorder)
{
    struct thread *thread = thread_for_test(recorder);
    recorder_name_greenlet(recorder, thread->position, &hub);
    return thread;
}

static bool
is_entry(const struct timeline_entry *entry, uint64_t ended_ticks, uint64_t greenlet_id, bool blocked,
         enum timeline_end end)
{
    return entry->ended_ticks == ended_ticks && entry->packed == timeline_pack(greenlet_id, 1, blocked, end);
}

static void
each_stretch_is_entered_when_it_ends(void)
{
    struct recorder recorder;
    struct timeline_entry entries[16];
    recorder_with_timeline(&recorder, 16);
    uint64_t began_ticks = now();
    struct thread *thread = thread_with_hub(&recorder);
    enter(&recorder, thread, &hub_run, 0x10);
    run_for(2 * MS);
    enter(&recorder, thread, &poll_c, frame_of_c_call(0x10));
    sleep_for(30 * MS);
    leave(&recorder, thread, frame_of_c_call(0x10));
    run_for(1 * MS);
    switch_to(&recorder, thread, &worker);
    run_for(200 * MS);
    switch_to(&recorder, thread, &hub);
    run_for(5 * MS);
    recorder_stop(&recorder, now());
    CHECK(timeline_count(&recorder.timeline) == 6 && recorder.timeline.entered == 6);
    timeline_copy(&recorder.timeline, entries);
    CHECK(timeline_end_of(entries[0].packed) == TIMELINE_UNRECORDED);
    CHECK(entries[0].ended_ticks == began_ticks);
    CHECK(is_entry(&entries[1], began_ticks + 2 * MS, 1, false, TIMELINE_POLL));
    CHECK(is_entry(&entries[2], began_ticks + 32 * MS, 1, false, TIMELINE_IDLE));
    CHECK(is_entry(&entries[3], began_ticks + 33 * MS, 1, false, TIMELINE_SWITCH));
    CHECK(is_entry(&entries[4], began_ticks + 233 * MS, 2, false, TIMELINE_SWITCH));
    CHECK(is_entry(&entries[5], began_ticks + 238 * MS, 1, false, TIMELINE_STOP));
    recorder_dispose(&recorder);
}

static void
a_stretch_that_blocked_is_marked(void)
{
    struct recorder recorder;
    int other;
    struct timeline_entry entries[16];
    recorder_with_timeline(&recorder, 16);
    struct thread *thread = thread_with_hub(&recorder);
    switch_to(&recorder, thread, &other);
    switch_to(&recorder, thread, &worker);
    run_for(150 * MS);
    switch_to(&recorder, thread, &hub);
    run_for(150 * MS);
    recorder_stop(&recorder, now());
    timeline_copy(&recorder.timeline, entries);
    CHECK(timeline_count(&recorder.timeline) == 5);
    CHECK(is_entry(&entries[3], entries[2].ended_ticks + 150 * MS, 3, true, TIMELINE_SWITCH));
    CHECK(is_entry(&entries[4], entries[3].ended_ticks + 150 * MS, 1, true, TIMELINE_STOP));
    recorder_dispose(&recorder);
}

static void
the_last_stretches_are_kept_and_what_went_is_counted(void)
{
    struct recorder recorder;
    struct timeline_entry entries[8];
    recorder_with_timeline(&recorder, 8);
    struct thread *thread = thread_with_hub(&recorder);
    for (int turn = 0; turn < 10; turn++) {
        run_for(MS);
        switch_to(&recorder, thread, turn % 2 == 0 ? &worker : &hub);
    }
    const struct timeline *timeline = &recorder.timeline;
    CHECK(timeline->entered == 11 && timeline_count(timeline) == 8);
    CHECK(timeline->gone[TIMELINE_UNRECORDED] == 1 && timeline->gone[TIMELINE_SWITCH] == 2);
    timeline_copy(timeline, entries);
    for (int index = 0; index < 8; index++) {
        uint64_t greenlet_id = index % 2 == 0 ? 1 : 2;
        CHECK(is_entry(&entries[index], now() - (uint64_t)((7 - index) * MS), greenlet_id, false,
                       TIMELINE_SWITCH));
    }
    recorder_dispose(&recorder);
}

static void
what_was_forgotten_is_not_in_it(void)
{
    struct recorder recorder;
    recorder_with_timeline(&recorder, 2);
    struct thread *thread = thread_with_hub(&recorder);
    for (int turn = 0; turn < 3; turn++) {
        switch_to(&recorder, thread, &worker);
        switch_to(&recorder, thread, &hub);
    }
    recorder_forget(&recorder);
    CHECK(timeline_count(&recorder.timeline) == 0);
    for (int end = 0; end < TIMELINE_ENDS; end++) {
        CHECK(recorder.timeline.gone[end] == 0);
    }
    recorder_dispose(&recorder);
}

static void
without_memory_for_it_there_is_no_recorder(void)
{
    for (size_t fail_at = 1; fail_at <= 2; fail_at++) {
        struct failing_memory failing = {.fail_at = fail_at};
        struct recorder recorder;
        struct memory memory;
        struct clock clock;
        const struct recorder_limits limits = {.nodes = 1, .timeline = 16};
        failing_memory_init(&memory, &failing);
        fake_clock_init(&clock);
        CHECK(!recorder_init(&recorder, &memory, &clock, &limits));
        CHECK(recorder.memory.bytes == 0);
    }
}

static void
without_a_timeline_nothing_is_entered(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_with_hub(&recorder);
    switch_to(&recorder, thread, &worker);
    CHECK(recorder.timeline.entered == 0);
    recorder_dispose(&recorder);
}

const struct test timeline_tests[] = {
    {"each stretch is entered when it ends", each_stretch_is_entered_when_it_ends},
    {"a stretch that blocked is marked", a_stretch_that_blocked_is_marked},
    {"the last stretches are kept and what went is counted",
     the_last_stretches_are_kept_and_what_went_is_counted},
    {"what was forgotten is not in it", what_was_forgotten_is_not_in_it},
    {"without memory for it there is no recorder", without_memory_for_it_there_is_no_recorder},
    {"without a timeline nothing is entered", without_a_timeline_nothing_is_entered},
    {NULL, NULL},
};
