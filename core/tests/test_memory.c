/* test_memory.c -- every request for memory fails once: the recording is poorer, and says so; nothing else. */
#include "check.h"

#define GREENLETS 40
#define DEPTH 30
#define REQUESTS_AT_MOST 400

/* A program of everything: threads, greenlets, deep calls, new paths, ends, stop, and once more. */
static void
play_greenlet(struct recorder *recorder, struct thread *thread, int number)
{
    static char greenlets[GREENLETS];
    static struct function functions[GREENLETS];
    functions[number].key = &functions[number];
    switch_to(recorder, thread, &greenlets[number]);
    for (uintptr_t depth = 1; depth <= DEPTH; depth++) {
        enter(recorder, thread, depth % 2 == 0 ? &foo : &functions[number], depth * 16);
        run_for(100);
    }
    for (uintptr_t depth = DEPTH; depth > 0; depth--) {
        leave(recorder, thread, depth * 16);
    }
}

static void
play(struct recorder *recorder)
{
    struct thread *thread = thread_for_test(recorder);
    struct thread *second = thread_for_test(recorder);
    for (int number = 0; thread != NULL && number < GREENLETS; number++) {
        play_greenlet(recorder, thread, number);
    }
    if (second != NULL) {
        (void)recorder_end_thread(recorder, second, now());
    }
    if (thread != NULL) {
        recorder_settle(recorder, now());
        CHECK(charged_ticks(thread) == thread_recorded_ticks(thread));
    }
    recorder_stop(recorder, now());
}

static void
any_failing_request_leaves_a_poorer_recording_that_says_so(void)
{
    const struct recorder_limits limits = {.nodes = 2000, .ended_threads = 0, .ended_greenlets = 1000};
    size_t fail_at = 1;
    struct failing_memory failing;
    do {
        struct recorder recorder;
        struct memory memory;
        struct clock clock;
        failing = (struct failing_memory){.fail_at = fail_at};
        failing_memory_init(&memory, &failing);
        fake_clock_init(&clock);
        if (recorder_init(&recorder, &memory, &clock, &limits)) {
            recorder_set_marks(&recorder, &truncated_mark, &ended_mark);
            play(&recorder);
            recorder_dispose(&recorder);
        }
        CHECK(recorder.memory.bytes == 0);
        fail_at++;
    } while (failing.requests >= fail_at - 1 && fail_at < REQUESTS_AT_MOST);
    CHECK(fail_at > 50);
    CHECK(fail_at < REQUESTS_AT_MOST);
}

static void
a_thread_without_memory_is_counted(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct failing_memory failing = {.fail_at = 1};
    recorder.memory.context = &failing;
    struct memory counting;
    failing_memory_init(&counting, &failing);
    recorder.memory.resize = counting.resize;
    CHECK(thread_for_test(&recorder) == NULL);
    CHECK(recorder.counters.unrecorded_threads == 1);
    recorder_dispose(&recorder);
}

static void
calls_without_memory_for_them_are_left_one_by_one(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct thread *thread = thread_for_test(&recorder);
    struct failing_memory failing = {.fail_at = 1};
    struct memory counting;
    failing_memory_init(&counting, &failing);
    recorder.memory.resize = counting.resize;
    recorder.memory.context = &failing;
    for (uintptr_t frame = 0x10; frame <= 0x200; frame += 0x10) {
        enter(&recorder, thread, &foo, frame);
    }
    CHECK(thread->position->unstored_calls > 0);
    CHECK(recorder.counters.truncated_calls > 0);
    for (uintptr_t frame = 0x200; frame >= 0x10; frame -= 0x10) {
        leave(&recorder, thread, frame);
    }
    CHECK(thread->position->unstored_calls == 0);
    CHECK(thread->position->top == thread->position->bottom);
    CHECK(recorder.counters.unmatched_leaves == 0);
    recorder_dispose(&recorder);
}

const struct test memory_tests[] = {
    {"any failing request leaves a poorer recording that says so",
     any_failing_request_leaves_a_poorer_recording_that_says_so},
    {"a thread without memory is counted", a_thread_without_memory_is_counted},
    {"calls without memory for them are left one by one", calls_without_memory_for_them_are_left_one_by_one},
    {NULL, NULL},
};
