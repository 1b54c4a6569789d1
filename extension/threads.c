/* threads.c -- the interpreter's threads: which are recorded, when they begin and when they end.
 *
 * A thread is known by the number of its thread state, never by its address or its OS ident: both are
 * used again. */
#include "switch_hook.h"
#include "tracer.h"

#include <string.h>

static struct traced_thread **
bucket_of(struct tracer *tracer, uint64_t tstate_id)
{
    return &tracer->threads[tstate_id % TRACER_THREAD_BUCKETS];
}

struct traced_thread *
threads_find(const struct tracer *tracer, uint64_t tstate_id)
{
    struct traced_thread *traced = tracer->threads[tstate_id % TRACER_THREAD_BUCKETS];
    while (traced != NULL && traced->tstate_id != tstate_id) {
        traced = traced->next;
    }
    return traced;
}

/* -- names --------------------------------------------------------------------------------------- */

static bool
unicode_equals(PyObject *str, const char *ascii)
{
    return PyUnicode_CompareWithASCIIString(str, ascii) == 0;
}

/* The threading.Thread that runs in a thread: the first argument of its outermost function. Borrowed. */
static PyObject *
thread_object_borrowed(PyThreadState *tstate)
{
    compat_frame *outermost = NULL;
    for (compat_frame *frame = compat_current_frame(tstate); frame != NULL;
         frame = compat_frame_previous(frame)) {
        if (compat_frame_code(frame) != NULL) {
            outermost = frame;
        }
    }
    PyCodeObject *code = outermost != NULL ? compat_frame_code(outermost) : NULL;
    if (code == NULL || code->co_argcount != 1 || !unicode_equals(code->co_name, "_bootstrap")) {
        return NULL;
    }
    return compat_frame_first_local(outermost);
}

static void
set_names(struct memory *memory, struct traced_thread *traced, const struct text *name,
          const char *class_name)
{
    struct text class_text = text_of_c_string(class_name);
    text_free(memory, &traced->name);
    text_free(memory, &traced->class_name);
    (void)text_copy(memory, &traced->name, name);
    (void)text_copy(memory, &traced->class_name, &class_text);
}

/* Once a thread runs its first function; a thread that was only just made has none yet. */
static void
name_thread(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate)
{
    struct memory *memory = &tracer->recorder.memory;
    if (compat_is_main_thread(tstate)) {
        struct text name = text_of_c_string("MainThread");
        set_names(memory, traced, &name, "_MainThread");
        return;
    }
    PyObject *thread = thread_object_borrowed(tstate);
    PyObject *name_owned =
        thread != NULL ? PyObject_GenericGetAttr(thread, tracer->state->thread_name_owned) : NULL;
    if (name_owned != NULL && PyUnicode_Check(name_owned)) {
        struct text name = text_borrowed(name_owned);
        set_names(memory, traced, &name, Py_TYPE(thread)->tp_name);
    }
    PyErr_Clear();
    Py_XDECREF(name_owned);
}

/* -- begin --------------------------------------------------------------------------------------- */

static struct thread *
add_thread(struct tracer *tracer, PyThreadState *tstate, uint64_t now_ticks)
{
    const struct function *root = functions_of_thread(&tracer->functions, &(struct text){0});
    clock_of_thread cpu_clock;
    bool shared = clock_of_pthread((pthread_t)tstate->thread_id, &cpu_clock);
    return root != NULL ? recorder_add_thread(&tracer->recorder, root, cpu_clock, shared, now_ticks) : NULL;
}

static struct traced_thread *
add_traced_thread(struct tracer *tracer, PyThreadState *tstate, uint64_t now_ticks)
{
    struct traced_thread *traced = memory_get(&tracer->recorder.memory, sizeof *traced);
    struct thread *thread = traced != NULL ? add_thread(tracer, tstate, now_ticks) : NULL;
    if (thread == NULL) {
        memory_free(&tracer->recorder.memory, traced, sizeof *traced);
        return NULL;
    }
    struct traced_thread **bucket = bucket_of(tracer, compat_thread_state_id(tstate));
    traced->thread = thread;
    traced->tstate_id = compat_thread_state_id(tstate);
    traced->ident = (uint64_t)tstate->thread_id;
    traced->native_id = compat_native_thread_id(tstate);
    traced->next = *bucket;
    *bucket = traced;
    return traced;
}

static struct traced_thread *
find_or_add(struct tracer *tracer, PyThreadState *tstate, uint64_t now_ticks)
{
    struct traced_thread *traced = threads_find(tracer, compat_thread_state_id(tstate));
    if (traced == NULL) {
        return add_traced_thread(tracer, tstate, now_ticks);
    }
    if (traced->thread == NULL) {
        traced->thread = add_thread(tracer, tstate, now_ticks);
        return traced->thread != NULL ? traced : NULL;
    }
    if (traced->thread->position == NULL &&
        !recorder_resume_thread(&tracer->recorder, traced->thread, now_ticks)) {
        return NULL;
    }
    return traced;
}

struct traced_thread *
threads_begin(struct tracer *tracer, PyThreadState *tstate, uint64_t now_ticks)
{
    struct traced_thread *traced = find_or_add(tracer, tstate, now_ticks);
    tracer->counters.unrecorded_threads += traced == NULL;
    return traced;
}

static bool
is_recorded(const struct tracer *tracer, const PyThreadState *tstate)
{
    uint64_t id = compat_thread_state_id(tstate);
    return id != tracer->ended_tstate_id && (tracer->only_tstate_id == 0 || tracer->only_tstate_id == id);
}

/* Which greenlet another thread runs is not to be had from here: most likely its main one. */
static void
seed_thread(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate)
{
    const struct function *main_class =
        functions_of_greenlet_class(&tracer->functions, tracer->state->greenlet.type_borrowed);
    if (main_class != NULL) {
        recorder_set_base(&tracer->recorder, traced->thread, traced->thread->position, main_class);
    }
    greenlets_seed_running(tracer, traced->thread, compat_current_frame(tstate));
}

void
threads_begin_all(struct tracer *tracer, uint64_t now_ticks)
{
    PyThreadState *here = compat_thread_state();
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    threads_notice_ends(tracer);
    for (; tstate != NULL; tstate = PyThreadState_Next(tstate)) {
        struct traced_thread *traced =
            is_recorded(tracer, tstate) ? threads_begin(tracer, tstate, now_ticks) : NULL;
        if (traced == NULL) {
            continue;
        }
        traced->armed = false;
        if (tstate != here) { /* the calling thread is armed at once */
            name_thread(tracer, traced, tstate);
            seed_thread(tracer, traced, tstate);
        }
    }
}

/* Before a new thread runs, its state may still carry its creator's ident (3.10, 3.11). */
static void
identify(struct tracer *tracer, struct traced_thread *traced, PyThreadState *tstate)
{
    clock_of_thread cpu_clock;
    bool shared = clock_of_pthread(pthread_self(), &cpu_clock);
    traced->ident = (uint64_t)tstate->thread_id;
    traced->native_id = compat_native_thread_id(tstate);
    if (cpu_clock != traced->thread->cpu_clock) {
        thread_correct_cpu_clock(traced->thread, cpu_clock, shared, clock_ticks(&tracer->recorder.clock));
    }
    name_thread(tracer, traced, tstate);
}

/* Whether its events may be recorded without a look at whose they are. A thread whose end goes unnoticed leaves its
 * mark to another. */
static bool
may_be_tried(const struct tracer *tracer, const struct traced_thread *traced)
{
    return traced != NULL && traced->sentinel_borrowed != NULL && tracer->recorder.clock.counts_ticks;
}

struct thread *
threads_enter(struct tracer *tracer, PyThreadState *tstate, compat_frame *entering)
{
    struct traced_thread *traced = NULL;
    if (tracer->running && is_recorded(tracer, tstate)) {
        traced = threads_begin(tracer, tstate, clock_ticks(&tracer->recorder.clock));
    }
    if (traced != NULL && !traced->armed) {
        traced->armed = true; /* before, for arming may run Python code */
        identify(tracer, traced, tstate);
        greenlets_arm_thread(tracer, traced, tstate, entering);
        threads_watch(tracer, traced);
    }
    tracer->current_tstate = tstate;
    tracer->current_tstate_id = compat_thread_state_id(tstate);
    tracer->current_thread = traced != NULL ? traced->thread : NULL;
    tracer->current_mark = may_be_tried(tracer, traced) ? compat_thread_mark() : 0;
    return tracer->current_thread;
}

/* -- end ----------------------------------------------------------------------------------------- */

static void
free_traced_thread(struct tracer *tracer, struct traced_thread *traced)
{
    struct memory *memory = &tracer->recorder.memory;
    struct traced_thread **link = bucket_of(tracer, traced->tstate_id);
    while (*link != traced) {
        link = &(*link)->next;
    }
    *link = traced->next;
    if (traced->sentinel_borrowed != NULL) {
        traced->sentinel_borrowed->tracer_borrowed = NULL;
    }
    switch_hook_drop(traced);
    source_forget_thread(traced);
    text_free(memory, &traced->name);
    text_free(memory, &traced->class_name);
    memory_free(memory, traced, sizeof *traced);
}

void
threads_end(struct tracer *tracer, uint64_t tstate_id)
{
    struct traced_thread *traced = threads_find(tracer, tstate_id);
    if (traced == NULL) {
        return;
    }
    if (tracer->current_thread == traced->thread) {
        tracer_forget_current(tracer);
    }
    tracer->ended_tstate_id = tstate_id;
    traced->sentinel_borrowed = NULL;
    switch_hook_drop(traced);
    if (traced->thread == NULL ||
        recorder_end_thread(&tracer->recorder, traced->thread, clock_ticks(&tracer->recorder.clock))) {
        free_traced_thread(tracer, traced);
    }
}

static bool
still_exists(uint64_t tstate_id)
{
    PyThreadState *tstate = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
    while (tstate != NULL && compat_thread_state_id(tstate) != tstate_id) {
        tstate = PyThreadState_Next(tstate);
    }
    return tstate != NULL;
}

static struct traced_thread *
find_ended(const struct tracer *tracer)
{
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            bool may_have_ended =
                each->sentinel_borrowed == NULL && (each->thread == NULL || each->thread->alive);
            if (may_have_ended && !still_exists(each->tstate_id)) {
                return each;
            }
        }
    }
    return NULL;
}

/* One by one from the start: what goes with a thread may run any code. */
void
threads_notice_ends(struct tracer *tracer)
{
    struct traced_thread *ended;
    while ((ended = find_ended(tracer)) != NULL) {
        threads_end(tracer, ended->tstate_id);
    }
}

void
threads_forget(struct tracer *tracer)
{
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        for (struct traced_thread *each = tracer->threads[bucket]; each != NULL; each = each->next) {
            each->thread = NULL;
            each->armed = false;
        }
    }
    tracer_forget_current(tracer);
}

void
threads_dispose(struct tracer *tracer)
{
    for (size_t bucket = 0; bucket < TRACER_THREAD_BUCKETS; bucket++) {
        while (tracer->threads[bucket] != NULL) {
            free_traced_thread(tracer, tracer->threads[bucket]);
        }
    }
}

/* -- the sentinel -------------------------------------------------------------------------------- */

/* There is one sentinel a thread. Another Recorder that has one there will not learn of the end. */
static void
dismiss_sentinel(struct tracer *tracer, PyObject *names)
{
    PyObject *there = PyDict_GetItemWithError(names, tracer->state->sentinel_key_owned);
    struct sentinel *sentinel = (struct sentinel *)there;
    if (there == NULL || sentinel->tracer_borrowed == NULL) {
        return;
    }
    struct traced_thread *traced = threads_find(sentinel->tracer_borrowed, sentinel->tstate_id);
    tracer_forget_current(sentinel->tracer_borrowed);
    traced->sentinel_borrowed = NULL;
    sentinel->tracer_borrowed = NULL;
}

static struct sentinel *
sentinel_new(struct tracer *tracer, uint64_t tstate_id)
{
    struct sentinel *sentinel = PyObject_New(struct sentinel, tracer->state->sentinel_type_owned);
    if (sentinel != NULL) {
        sentinel->tracer_borrowed = tracer;
        sentinel->tstate_id = tstate_id;
    }
    return sentinel;
}

void
threads_watch(struct tracer *tracer, struct traced_thread *traced)
{
    PyObject *names = PyThreadState_GetDict();
    if (traced->sentinel_borrowed != NULL || names == NULL) {
        return;
    }
    dismiss_sentinel(tracer, names);
    struct sentinel *sentinel = sentinel_new(tracer, traced->tstate_id);
    if (sentinel != NULL) {
        if (PyDict_SetItem(names, tracer->state->sentinel_key_owned, (PyObject *)sentinel) == 0) {
            traced->sentinel_borrowed = sentinel;
        } else {
            sentinel->tracer_borrowed = NULL;
        }
        Py_DECREF(sentinel);
    }
    PyErr_Clear();
}

static void
sentinel_dealloc(PyObject *self)
{
    struct sentinel *sentinel = (struct sentinel *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (sentinel->tracer_borrowed != NULL) {
        threads_end(sentinel->tracer_borrowed, sentinel->tstate_id);
    }
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot sentinel_slots[] = {
    {Py_tp_dealloc, sentinel_dealloc},
    {0, NULL},
};

PyType_Spec sentinel_spec = {
    .name = "greenletprofiler._native.Sentinel",
    .basicsize = sizeof(struct sentinel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = sentinel_slots,
};
