/* tracer.h -- the Recorder object: the core's recorder fed with the interpreter's events.
 *
 *   source_monitoring.c (3.12+) ---+
 *   source_setprofile.c (3.10, 3.11) -> tracer_enter / tracer_leave / tracer_enter_c / tracer_leave_c
 *   greenlets.c (greenlet.settrace) ---> tracer_switch                              |
 *                                                                                   v
 *                                                                     core/recorder.h: one straight line
 *
 * In an event: no Python object is made, no exception set, no lock taken. The first event of a thread and
 * the first sight of a function are the exceptions, cold and apart.
 *
 * Ownership: the Recorder owns the core recorder, the functions and the traced threads. A callback owns
 * its Recorder while it is registered. A thread's sentinel and its Recorder know each other, borrowed; who
 * goes first tells the other. */
#ifndef GP_TRACER_H
#define GP_TRACER_H

#include "compat.h"
#include "functions.h"
#include "module.h"
#include "notes.h"
#include "recorder.h"
#include "sightings.h"

struct tracer;
struct switch_hook;

/* Sits in a thread's state dictionary, so that it dies when the thread does, and then says so. */
struct sentinel {
    PyObject ob_base;
    struct tracer *tracer_borrowed; /* NULL: nobody wants to know */
    uint64_t tstate_id;
};

/* A thread as the interpreter knows it, beside what the core records of it. */
struct traced_thread {
    struct thread *thread;      /* NULL: what was recorded is forgotten, and there is nothing new yet */
    struct traced_thread *next; /* in its bucket */
    uint64_t tstate_id;
    uint64_t ident;
    uint64_t native_id;
    struct text name;
    struct text class_name;
    struct sentinel *sentinel_borrowed;
    struct switch_hook *hook_owned; /* set while greenlet tells us of this thread's switches */
    bool armed;                     /* this session's first event has been seen */
#if !COMPAT_HAS_MONITORING
    Py_tracefunc replaced_function; /* the profile function that was there before ours */
    PyObject *replaced_object_owned;
    bool profiled;
#endif
};

/* Called by greenlet after each switch of its thread. */
struct switch_hook {
    PyObject ob_base;
    vectorcallfunc vectorcall;
    struct tracer *tracer_owned; /* NULL: left behind, to be uninstalled at the next switch */
    PyObject *previous_owned;    /* the program's trace function, or NULL */
    size_t open_calls;           /* of that one */
    const void *origin, *target; /* of the switch that it was told of last; may be gone */
    bool is_left_behind;         /* by a session that is over, in place until its thread switches */
};

/* Handed to the interpreter: one for each event. */
struct callback {
    PyObject ob_base;
    vectorcallfunc vectorcall;
    struct tracer *tracer_owned;
    vectorcallfunc handler; /* of its kind of event */
};

#define TRACER_THREAD_BUCKETS 64
#define TRACER_CALLBACKS 10

/* Callbacks and tool id of sys.monitoring while it runs. */
struct monitoring_source {
    int tool_id; /* -1: none; between sessions there is one only if there was no memory to give it back */
    int seen_code_events; /* asked for of each code object, not of all at once */
};

struct tracer_counters {
    uint64_t missed_switches;     /* a greenlet ran that no switch had led to */
    uint64_t unnamed_calls;       /* functions that could not be named for lack of memory */
    uint64_t unplaced_greenlets;  /* switched to, or met in mid-flight, without memory for their calls */
    uint64_t unrecorded_threads;  /* times that a thread could not be recorded for lack of memory */
    uint64_t unreached_greenlets; /* suspended at start or stop, and not told of it */
    uint64_t cut_off_threads;     /* times that a thread's switches were told no longer */
    uint64_t replaced_profile_functions;
    uint64_t frozen_objects;  /* out of the collector's sight when a session began */
    uint64_t unmet_greenlets; /* suspended all the time, in threads that had no event */
};

struct tracer {
    PyObject ob_base;
    struct module_state *state; /* lives as long as our type */
    struct recorder recorder;
    struct functions functions;
    struct tracer_counters counters;

    PyThreadState *current_tstate; /* of the last event, with ... */
    uint64_t current_tstate_id;    /* ... its number, for addresses are used again */
    struct thread *current_thread; /* NULL: events of that thread are not recorded */
    uintptr_t current_mark;        /* compat_thread_mark() there; 0: its events are not tried */

    struct traced_thread *threads[TRACER_THREAD_BUCKETS];
    uint64_t only_tstate_id;    /* the one thread to record; 0: all of them */
    uint64_t ended_tstate_id;   /* the thread that ended last: it may still emit events */
    struct sightings sightings; /* greenlets that live without a position */
    struct notes notes;         /* of greenlets that have one, or had */

    bool initialized;
    bool records_builtins;
    bool records_threads;     /* all of them, not only the one that starts */
    bool separates_greenlets; /* each has a tree of its own, not one of its class */
    bool running;
    uint64_t session_began_ticks;
    uint64_t recorded_ticks; /* of earlier sessions */
    int64_t started_at_ns;   /* of the first session, UTC; 0: never */
    int64_t started_monotonic_ns;
    struct monitoring_source monitoring;
    uint64_t newest_tstate_id;        /* 3.10, 3.11: threads up to this one have our profile function */
    PyObject *profile_callback_owned; /* 3.10, 3.11; NULL between sessions */
    PyObject *replaced_hook_owned;    /* 3.10, 3.11: threading's profile hook before ours */
};

/* -- event sources: one of the two is compiled ---------------------------------------------------- */

/* What the source needs of the interpreter. -1 and an exception. */
int source_learn(struct module_state *state);

/* `greenlets`: a list of all that live, or NULL. Start: -1 and an exception; source_stop() is due all the
 * same. Stop leaves no exception. */
int source_start(struct tracer *tracer, PyObject *greenlets);
void source_stop(struct tracer *tracer, PyObject *greenlets);
void source_notice_threads(struct tracer *tracer);       /* threads that appeared without an event */
void source_forget_thread(struct traced_thread *traced); /* what was put aside for a thread that is gone */

/* The truth of a callback: whether threading's bootstrap is to set it as the profile function of a new thread. */
bool source_is_hook(PyObject *callback);

/* 3.10, 3.11: counts the threads in which the program has set a profile function of its own. */
void source_notice_replacement(struct tracer *tracer);

/* -- greenlets.c ---------------------------------------------------------------------------------- */

/* Has greenlet tell of the calling thread's switches, and makes sure that its position is that of the
 * greenlet that runs. `entering` is the frame whose event has yet to be recorded, or NULL. */
void greenlets_arm_thread(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate,
                          compat_frame *entering);

/* Takes over the open calls of a thread's running greenlet: they have time from now on, but no call. */
void greenlets_seed_running(struct tracer *tracer, struct thread *thread, compat_frame *innermost);

extern PyType_Spec switch_hook_spec;
extern PyType_Spec sentinel_spec;
extern PyType_Spec callback_spec;
extern PyType_Spec recorder_spec;

/* A new callback: the interpreter calls `called`, which may ask it for `handler`. NULL and an exception. */
PyObject *callback_new(struct tracer *tracer, vectorcallfunc called, vectorcallfunc handler);

/* -- threads.c ------------------------------------------------------------------------------------ */

struct traced_thread *threads_find(const struct tracer *tracer, uint64_t tstate_id);

/* Begins to record a thread: a new one, or one of an earlier session. NULL when there is no memory. */
struct traced_thread *threads_begin(struct tracer *tracer, PyThreadState *tstate, uint64_t now_ticks);

/* The first event of a thread, or the first after another thread's: who is it? NULL: not recorded. */
struct thread *threads_enter(struct tracer *tracer, PyThreadState *tstate, compat_frame *entering);

/* Begins to record all the threads that exist, those that should be. */
void threads_begin_all(struct tracer *tracer, uint64_t now_ticks);

/* Threads that had no event have no sentinel: their ends are looked for. */
void threads_notice_ends(struct tracer *tracer);

/* The thread's state is being cleared. */
void threads_end(struct tracer *tracer, uint64_t tstate_id);

/* Forgets what was recorded of the threads. In a child made by fork those that are gone are no longer
 * known once threads_notice_ends() was called. */
void threads_forget(struct tracer *tracer);

/* Has a sentinel watch over the calling thread. Without memory its end goes unnoticed. */
void threads_watch(struct tracer *tracer, struct traced_thread *traced);

void threads_dispose(struct tracer *tracer);

/* -- tracer.c ------------------------------------------------------------------------------------- */

int tracer_start(struct tracer *tracer);
int tracer_stop(struct tracer *tracer);

/* Stops what runs: nothing is left that a later session could take for a stack. Keeps the exception that is
 * set, and sets none. */
void tracer_end_session(struct tracer *tracer);

/* Forgets everything that was recorded, of earlier sessions too, and goes on recording. */
void tracer_begin_anew(struct tracer *tracer);

/* What was since the last event is the profiler's own time, not the program's. */
void tracer_charge_own(struct tracer *tracer, struct thread *thread);

/* Running time of a function itself, where the one that runs in this thread now has called it; 0: it has not. */
int64_t tracer_self_ns(struct tracer *tracer, PyCodeObject *code);

/* The node of a function that is not the one entered last; NULL: it is excluded, and has none. */
struct node *tracer_child_of_code(struct tracer *tracer, struct thread *thread, PyCodeObject *code,
                                  compat_frame *frame);
struct node *tracer_child_of_callable(struct tracer *tracer, struct thread *thread, const void *key,
                                      PyObject *callable);

/* What the calling function does from now on is below a tag of this name, a str; until tracer_exit_tag() or its end.
 * Leaves no exception. */
void tracer_enter_tag(struct tracer *tracer, PyObject *name);
void tracer_exit_tag(struct tracer *tracer, PyObject *name);

/* Cold halves of tracer_is_excluded(), tracer_enter_c(), tracer_leave() and tracer_leave_c(). */
bool tracer_decide_excluded(struct tracer *tracer, struct thread *thread, PyCodeObject *code,
                            compat_frame *frame);
bool tracer_calls_from_elsewhere(struct tracer *tracer, struct thread *thread, PyCodeObject *code,
                                 compat_frame *frame);
void tracer_leave_deeper(struct tracer *tracer, struct thread *thread, uintptr_t call);

/* -- fork.c ---------------------------------------------------------------------------------------- */

/* From now on a child made by fork begins its recording anew. -1 and an exception. */
int fork_watch(struct module_state *state);

/* -- snapshot.c ----------------------------------------------------------------------------------- */

PyObject *snapshot_take(struct tracer *tracer);

/* -- the straight path ---------------------------------------------------------------------------- */

/* The next event asks anew whose it is. */
static inline void
tracer_forget_current(struct tracer *tracer)
{
    tracer->current_tstate = NULL;
    tracer->current_mark = 0;
}

/* The frame that runs, if this thread had the last event too, and is recorded; else NULL. A program may have two
 * thread states for one thread: whoever asks makes sure that it is the frame of the event. */
static inline compat_frame *
tracer_current_frame(const struct tracer *tracer)
{
    bool is_current = __builtin_expect(tracer->current_mark == compat_thread_mark(), 1);
    return is_current ? compat_current_frame(tracer->current_tstate) : NULL;
}

/* These four: what nearly every event is, of a frame that tracer_current_frame() told. False, and nothing was
 * recorded, where anything is unusual: the next four do it then, from the start. */

static inline bool
tracer_try_enter(struct tracer *tracer, const PyCodeObject *code, compat_frame *frame, bool resumed)
{
    const void *key = code_key(code, tracer->functions.code_slot);
    return recorder_try_enter(tracer->current_thread, key, (uintptr_t)frame, resumed);
}

static inline bool
tracer_try_leave(struct tracer *tracer, compat_frame *frame)
{
    return recorder_try_leave(tracer->current_thread, (uintptr_t)frame);
}

static inline bool
tracer_try_enter_c(struct tracer *tracer, const void *key, compat_frame *frame)
{
    struct thread *thread = tracer->current_thread;
    return recorder_is_on_top(thread, (uintptr_t)frame) &&
           recorder_try_enter(thread, key, frame_of_c_call((uintptr_t)frame), false);
}

/* Calls that were not entered, because Python code did their work, leave the caller on top. */
static inline bool
tracer_try_leave_c(struct tracer *tracer, compat_frame *frame)
{
    struct thread *thread = tracer->current_thread;
    return recorder_try_leave(thread, frame_of_c_call((uintptr_t)frame)) ||
           recorder_is_on_top(thread, (uintptr_t)frame);
}

/* -- the same, whatever is unusual ----------------------------------------------------------------- */

/* Whose event is this? NULL: it is not recorded. */
static inline struct thread *
tracer_thread(struct tracer *tracer, PyThreadState *tstate, compat_frame *entering)
{
    if (__builtin_expect(tracer->current_tstate == tstate &&
                             tracer->current_tstate_id == compat_thread_state_id(tstate),
                         1)) {
        return tracer->current_thread;
    }
    return threads_enter(tracer, tstate, entering);
}

/* Whether the filters pass over this code, which runs in `frame`. Its calls are never opened, at no entry, so
 * none of its leaves ends one. */
static inline bool
tracer_is_excluded(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    if (!functions_are_filtered(&tracer->functions)) {
        return false;
    }
    enum verdict verdict = functions_verdict(&tracer->functions, code);
    return verdict == VERDICT_UNKNOWN ? tracer_decide_excluded(tracer, thread, code, frame)
                                      : verdict == VERDICT_EXCLUDED;
}

/* These four: false when the code is excluded, and nothing was recorded. */

/* A function begins (or, resumed, goes on) in `frame`. */
static inline bool
tracer_enter(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame,
             bool resumed)
{
    struct node *caller = thread->position->top->node;
    thread_charge_to(thread, caller, clock_ticks(&tracer->recorder.clock));
    struct node *node = recorder_recent_child(caller, code_key(code, tracer->functions.code_slot));
    if (__builtin_expect(node == NULL, 0)) {
        node = tracer_child_of_code(tracer, thread, code, frame);
        if (node == NULL) {
            return false;
        }
    }
    node->calls += !resumed;
    node->resumes += resumed;
    recorder_open(&tracer->recorder, thread, (uintptr_t)frame, node);
    return true;
}

/* The function in `frame` returns, yields, or is left by an exception. */
static inline bool
tracer_leave(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    if (recorder_is_on_top(thread, (uintptr_t)frame)) {
        recorder_leave_top(thread, clock_ticks(&tracer->recorder.clock));
        return true;
    }
    if (tracer_is_excluded(tracer, thread, code, frame)) {
        return false;
    }
    tracer_leave_deeper(tracer, thread, (uintptr_t)frame);
    return true;
}

/* The Python function in `frame` calls a built-in. */
static inline bool
tracer_enter_c(struct tracer *tracer, struct thread *thread, const void *key, PyObject *callable,
               PyCodeObject *code, compat_frame *frame)
{
    if (!recorder_is_on_top(thread, (uintptr_t)frame) &&
        !tracer_calls_from_elsewhere(tracer, thread, code, frame)) {
        return false;
    }
    struct node *caller = thread->position->top->node;
    thread_charge_to(thread, caller, clock_ticks(&tracer->recorder.clock));
    struct node *node = recorder_recent_child(caller, key);
    if (__builtin_expect(node == NULL, 0)) {
        node = tracer_child_of_callable(tracer, thread, key, callable);
        if (node == NULL) {
            return false;
        }
    }
    node->calls++;
    recorder_open(&tracer->recorder, thread, frame_of_c_call((uintptr_t)frame), node);
    return true;
}

/* A built-in is back in `frame`. Calls that were not entered, because Python code did their work, are
 * known by the frame on top. */
static inline bool
tracer_leave_c(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    uintptr_t call = frame_of_c_call((uintptr_t)frame);
    if (recorder_is_on_top(thread, call)) {
        recorder_leave_top(thread, clock_ticks(&tracer->recorder.clock));
        return true;
    }
    if (recorder_is_on_top(thread, (uintptr_t)frame) ||
        recorder_is_on_top(thread, frame_of_tag((uintptr_t)frame))) {
        return true;
    }
    if (tracer_is_excluded(tracer, thread, code, frame)) {
        return false;
    }
    tracer_leave_deeper(tracer, thread, call);
    return true;
}

#endif
