/* test_memory.c -- every request for memory fails once: the recording is poorer, and says so; nothing else. */
#include "check.h"

#define GREENLETS 40
#define DEPTH 30
#define REQUESTS_AT_MOST 1000

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
a_thread_without_memory_leaves_nothing_behind(void)
{
    struct recorder recorder;
    recorder_for_test(&recorder, NULL);
    struct failing_memory failing = {.fail_at = 1};
    recorder.memory.context = &failing;
    struct memory counting;
    failing_memory_init(&counting, &failing);
    recorder.memory.resize = counting.resize;
    size_t before = recorder.memory.bytes;
    CHECK(thread_for_test(&recorder) == NULL);
    CHECK(recorder.memory.bytes == before);
    CHECK(recorder.threads == NULL && recorder.node_count == 0);
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
    CHECK(position_base(thread->position)->unstored_calls > 0);
    CHECK(recorder.counters.truncated_calls > 0);
    for (uintptr_t frame = 0x200; frame >= 0x10; frame -= 0x10) {
        leave(&recorder, thread, frame);
    }
    CHECK(position_base(thread->position)->unstored_calls == 0);
    CHECK(thread->position->top == position_bottom(thread->position));
    CHECK(recorder.counters.unmatched_leaves == 0);
    recorder_dispose(&recorder);
}

static void
a_limit_is_never_exceeded_and_room_comes_back(void)
{
    struct memory memory;
    memory_init(&memory);
    memory.limit = 100;
    void *first = memory_get(&memory, 60);
    CHECK(first != NULL);
    CHECK(memory_get(&memory, 41) == NULL);
    CHECK(memory_get(&memory, SIZE_MAX) == NULL);
    void *grown = memory_resize(&memory, first, 60, 100);
    CHECK(grown != NULL && memory.bytes == 100);
    CHECK(memory_resize(&memory, grown, 100, 101) == NULL);
    memory_free(&memory, grown, 100);
    void *again = memory_get(&memory, 100);
    CHECK(again != NULL);
    memory_free(&memory, again, 100);
    CHECK(memory.bytes == 0);
}

static void
a_node_takes_at_most_96_bytes_and_a_greenlet_that_ended_100(void)
{
    CHECK(sizeof(struct node) <= 96);
    CHECK(sizeof(struct greenlet_record) <= 100);
    CHECK(sizeof(struct open_call) <= 16);
}

static void
a_list_grows_to_twice_its_capacity_and_never_past_the_most(void)
{
    const size_t capacities[] = {3, 6, 12, 20};
    struct failing_memory failing = {0};
    struct memory memory;
    size_t capacity = 0;
    uint64_t *list = NULL;
    failing_memory_init(&memory, &failing);
    for (size_t step = 0; step < sizeof capacities / sizeof *capacities; step++) {
        list = memory_grow_list(&memory, list, &capacity, sizeof *list, 3, 20);
        CHECK(list != NULL && capacity == capacities[step] && memory.bytes == capacity * sizeof *list);
    }
    CHECK(memory_grow_list(&memory, list, &capacity, sizeof *list, 3, 20) == NULL && capacity == 20);
    failing.fail_at = failing.requests + 1;
    CHECK(memory_grow_list(&memory, list, &capacity, sizeof *list, 3, 40) == NULL && capacity == 20);
    memory_free(&memory, list, capacity * sizeof *list);
    CHECK(memory.bytes == 0);
}

const struct test memory_tests[] = {
    {"a list grows to twice its capacity and never past the most",
     a_list_grows_to_twice_its_capacity_and_never_past_the_most},
    {"a node takes at most 96 bytes and a greenlet that ended 100",
     a_node_takes_at_most_96_bytes_and_a_greenlet_that_ended_100},
    {"a limit is never exceeded and room comes back", a_limit_is_never_exceeded_and_room_comes_back},
    {"any failing request leaves a poorer recording that says so",
     any_failing_request_leaves_a_poorer_recording_that_says_so},
    {"a thread without memory leaves nothing behind", a_thread_without_memory_leaves_nothing_behind},
    {"calls without memory for them are left one by one", calls_without_memory_for_them_are_left_one_by_one},
    {NULL, NULL},
};
