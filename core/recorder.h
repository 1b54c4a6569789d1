/* recorder.h -- one recording: all threads, all greenlets, and what an event does to them.
 *
 *      recorder ---- threads ---- tree of calls        (one a thread)
 *          |            |
 *          |            +-------- positions            (one a greenlet; one of them running)
 *          +---- map: greenlet -> position
 *          +---- records of greenlets that ended
 *          +---- slices: how long greenlets ran at a stretch
 *          +---- timeline: who ran when, if it is asked for
 *
 * An event source calls, for each event, with the tick counter read once:
 *      recorder_try_enter() / recorder_try_leave()     a function begins or resumes / returns, yields, raises
 * These are straight lines: a few loads and stores. Whatever needs a decision, memory or a name they leave to
 * others, which do the same from the start.
 *
 * Nothing here fails in a way that the caller must handle in an event: without memory, or past the node
 * budget, a call is counted as truncated and its time goes to the nearest node there is.
 *
 * Not safe for threads: the caller holds a lock around everything (the interpreter's). */
#ifndef GP_RECORDER_H
#define GP_RECORDER_H

#include "clock.h"
#include "memory.h"
#include "position.h"
#include "slices.h"
#include "thread.h"
#include "timeline.h"
#include "tree.h"

#define RECORD_INDEX_BITS 24
#define RECORD_NO_KIND ((UINT64_C(1) << RECORD_INDEX_BITS) - 1)

/* What is kept of a greenlet that ended, or that a recording left behind. */
struct greenlet_record {
    uint64_t id : POSITION_ID_BITS;
    uint64_t class_index : RECORD_INDEX_BITS; /* of the function that names it */
    uint64_t kind_index : RECORD_INDEX_BITS; /* of the function that it entered first; RECORD_NO_KIND: none */
    uint64_t thread_id : 32;
    uint64_t alive : 1;     /* it had not ended when the recording did */
    uint64_t continued : 1; /* a position stands for it now, and holds its sums */
    uint64_t began_ticks;
    uint64_t ended_ticks;   /* or when the recording did */
    uint64_t running_ticks; /* idle time included */
    uint64_t off_cpu_ticks;
    uint64_t idle_ticks;
    uint64_t waiting_ticks;
    uint64_t contended_ticks; /* part of them */
    uint64_t lag_ticks;       /* part of those */
    uint64_t switches;
    uint64_t longest_slice_ticks;
};

struct recorder_limits {
    size_t nodes;           /* in all trees; [truncated] nodes may be as many again */
    size_t ended_threads;   /* that keep a tree of their own */
    size_t ended_greenlets; /* that keep a record of their own */
    int64_t blocking_ns;    /* a slice of this length blocks */
    size_t timeline;        /* stretches that are kept, a power of two; 0: none */
};

struct recorder_counters {
    uint64_t truncated_calls;      /* entered where there was no room for a node */
    uint64_t lost_leaves;          /* calls closed because an outer one left */
    uint64_t unmatched_leaves;     /* leaves of calls that were never seen to begin */
    uint64_t unrecorded_greenlets; /* ended, and found no room for a record */
    uint64_t folded_threads;
    uint64_t unopened_tags; /* for which there was no room */
};

struct recorder {
    struct memory memory;
    struct clock clock;
    struct recorder_limits limits;
    struct recorder_counters counters;

    struct thread *threads; /* the newest first */
    uint64_t next_thread_id;
    size_t ended_thread_count;
    struct thread *ended; /* where ended threads beyond the limit are folded into; NULL before that */

    struct position_map greenlets;
    uint64_t next_greenlet_id;
    struct greenlet_record *ended_greenlets;
    size_t ended_greenlet_count;
    size_t ended_greenlet_capacity;

    struct slices slices;
    struct timeline timeline;

    size_t node_count;                         /* in all trees */
    const struct function *truncated_borrowed; /* stands for paths without room */
    const struct function *ended_borrowed;     /* names the thread that ended ones are folded into */
};

/* False when there is no memory; then there is nothing to dispose of. `memory` and `clock` are copied.
 * Before the first thread is added, recorder_set_marks() must have been called. */
bool recorder_init(struct recorder *recorder, const struct memory *memory, const struct clock *clock,
                   const struct recorder_limits *limits);
void recorder_dispose(struct recorder *recorder);

/* Forgets everything that was recorded: no thread is left, and ids begin anew. Cannot fail. */
void recorder_forget(struct recorder *recorder);

/* The functions that stand for what is none; they outlive the recorder's use. */
void recorder_set_marks(struct recorder *recorder, const struct function *truncated,
                        const struct function *ended_threads);

/* -- threads ------------------------------------------------------------------------------------- */

/* A new thread, with a position at its root: which greenlet runs is not known yet. NULL when there is no
 * memory. */
struct thread *recorder_add_thread(struct recorder *recorder, const struct function *root,
                                   clock_of_thread cpu_clock, bool cpu_clock_is_shared, uint64_t now_ticks);

/* Records a thread again that an earlier recording knew. False when there is no memory. */
bool recorder_resume_thread(struct recorder *recorder, struct thread *thread, uint64_t now_ticks);

/* The thread is over: its greenlets are too. Past the limit its tree is folded into the ended threads'
 * and the thread freed; returns whether it was. */
bool recorder_end_thread(struct recorder *recorder, struct thread *thread, uint64_t now_ticks);

/* Charges everything up to now: what runs, and what waits. */
void recorder_settle(struct recorder *recorder, uint64_t now_ticks);

/* Settles, then forgets where every greenlet was: nothing survives that a later recording could take for
 * a stack. */
void recorder_stop(struct recorder *recorder, uint64_t now_ticks);

/* -- greenlets ----------------------------------------------------------------------------------- */

/* A greenlet seen for the first time; it waits since `now_ticks`. NULL when there is no memory. */
struct position *recorder_add_greenlet(struct recorder *recorder, struct thread *thread, const void *greenlet,
                                       const struct function *greenlet_class, uint64_t now_ticks);

/* Puts a position, with its open calls, below another base: of its class, or its own. Time that was charged stays
 * where it is. */
void recorder_set_base(struct recorder *recorder, struct thread *thread, struct position *position,
                       const struct function *base);

/* The id that the next greenlet will have. */
static inline uint64_t
recorder_next_greenlet_id(const struct recorder *recorder)
{
    return recorder->next_greenlet_id;
}

/* Whether no path finds room any more. */
static inline bool
recorder_is_full(const struct recorder *recorder)
{
    return recorder->node_count >= recorder->limits.nodes;
}

/* Says whose a position is. */
void recorder_name_greenlet(struct recorder *recorder, struct position *position, const void *greenlet);

/* Where to be while a greenlet runs that found no room: all its calls are truncated. */
struct position *recorder_stray(struct thread *thread);

/* The greenlet is over; it must not be the running one. */
void recorder_end_greenlet(struct recorder *recorder, struct thread *thread, struct position *position);

/* The number of the record that a greenlet will have when the recording ends, for a later session to
 * continue; 0: there is no room for one. */
size_t recorder_reserve_record(struct recorder *recorder, struct position *position);

/* The position is of a greenlet that an earlier session has left this record of. `kind`: that of the record. */
void recorder_continue_record(struct recorder *recorder, struct position *position, size_t record,
                              const struct function *kind);

/* The thread of this record; NULL when it is no more. */
struct thread *recorder_thread_of_record(const struct recorder *recorder, size_t record);

/* The greenlet of this record ended between two sessions. */
void recorder_end_record(struct recorder *recorder, size_t record);

/* The greenlet is gone, though its position still stands: another one may live at its address. */
void recorder_unname_greenlet(struct recorder *recorder, struct position *position);

/* Whether the greenlet of a record had not ended when the recording did; with its thread it has. */
bool recorder_record_is_alive(const struct recorder *recorder, const struct greenlet_record *record);

/* What there is to keep of a greenlet. */
struct greenlet_record recorder_record_of(const struct thread *thread, const struct position *position,
                                          uint64_t now_ticks);

/* Closes every open call of a position. */
void recorder_clear_calls(struct position *position);

/* Closes an open call that ended unseen, and those above it. */
void recorder_close_from(struct position *position, const struct open_call *call);

/* -- calls --------------------------------------------------------------------------------------- */

/* The node for `function` below the running position's top; NULL past the budget or without memory. */
struct node *recorder_child(struct recorder *recorder, struct thread *thread,
                            const struct function *function);

/* The same, where it exists. */
struct node *recorder_find_child(struct thread *thread, const void *key);

/* The [truncated] node below the top, or the thread's: there is always one. Counts what is truncated. */
struct node *recorder_truncated_child(struct recorder *recorder, struct thread *thread);

/* What the program's innermost call does from now on, the profiler's own calls left aside, is below this tag: until
 * it is closed, or the call is over. Where the program has no call nothing is tagged. */
void recorder_open_tag(struct recorder *recorder, struct thread *thread, const struct function *tag);

/* The innermost one of these of the running greenlet; there need be none. */
void recorder_close_tag(struct thread *thread, const struct function *tag);

/* Cold half of recorder_leave(). */
void recorder_leave_deeper(struct recorder *recorder, struct thread *thread, uintptr_t frame);

/* Cold half of recorder_open(). */
void recorder_open_without_room(struct recorder *recorder, struct thread *thread, uintptr_t frame,
                                struct node *node);

/* One more open call of the running greenlet: its position is `node` now. */
static inline void
recorder_open(struct recorder *recorder, struct thread *thread, uintptr_t frame, struct node *node)
{
    struct position *position = thread->position;
    struct open_call *call = position->top + 1;
    if (__builtin_expect(call == position->limit, 0)) {
        recorder_open_without_room(recorder, thread, frame, node);
        return;
    }
    call->frame = frame;
    call->node = node;
    position->top = call;
}

/* The child that was entered last, or the one that followed it the last time, if it is the one: NULL sends the
 * caller to the cold path. The one after that is fetched meanwhile. */
static inline struct node *
recorder_recent_child(struct node *parent, const void *key)
{
    struct node *child = parent->recent;
    if (__builtin_expect(child == NULL, 0)) {
        return NULL;
    }
    if (__builtin_expect(child->key == key, 1)) {
        return child;
    }
    child = child->successor;
    if (child == NULL || child->key != key) {
        return NULL;
    }
    __builtin_prefetch(child->successor, 1);
    parent->recent = child;
    return child;
}

/* Whether the innermost open call is this frame's (or, marked with frame_of_c_call(), one that it makes). */
static inline bool
recorder_is_on_top(const struct thread *thread, uintptr_t frame)
{
    return __builtin_expect(thread->position->top->frame == frame, 1);
}

/* -- calls, tried -------------------------------------------------------------------------------- */

/* What nearly every event is. False, and nothing was recorded, where anything is unusual: then the functions after
 * these do it, which may call others and take their time. Nothing is called here, so that a compiler has no register
 * to save. Only where the clock counts ticks. */

/* A function is called in `frame`, or resumed there, that was called from here the last time or the time before. */
static inline bool
recorder_try_enter(struct thread *thread, const void *key, uintptr_t frame, bool resumed)
{
    struct position *position = thread->position;
    struct open_call *call = position->top + 1;
    struct node *caller = position->top->node;
    struct node *node = recorder_recent_child(caller, key);
    if (node == NULL || call == position->limit ||
        !thread_try_charge_to(thread, caller, clock_read_counter())) {
        return false;
    }
    node->calls += !resumed;
    node->resumes += resumed;
    call->frame = frame;
    call->node = node;
    position->top = call;
    return true;
}

/* The call of that frame is over, and is the innermost. */
static inline bool
recorder_try_leave(struct thread *thread, uintptr_t frame)
{
    struct position *position = thread->position;
    struct open_call *top = position->top;
    if (top->frame != frame || !thread_try_charge_to(thread, top->node, clock_read_counter())) {
        return false;
    }
    position->top = top - 1;
    return true;
}

/* -- calls, whatever is unusual ------------------------------------------------------------------ */

/* The innermost open call is over. */
static inline void
recorder_leave_top(struct thread *thread, uint64_t now_ticks)
{
    struct position *position = thread->position;
    struct open_call *top = position->top;
    thread_charge_to(thread, top->node, now_ticks);
    position->top = top - 1;
}

/* The call of that frame is over, wherever it is. */
static inline void
recorder_leave(struct recorder *recorder, struct thread *thread, uintptr_t frame, uint64_t now_ticks)
{
    if (recorder_is_on_top(thread, frame)) {
        recorder_leave_top(thread, now_ticks);
        return;
    }
    thread_charge(thread, now_ticks);
    recorder_leave_deeper(recorder, thread, frame);
}

#endif
