/* compat.h -- what differs between versions of CPython, behind one set of names.
 *
 * The only place, beside the two event sources, that asks for the version. Internal structures of the
 * interpreter are read here and nowhere else, and never written, but for a thread's profile function (3.10, 3.11):
 *      a frame's identity, its caller and its code object          (to match leaves, to seed stacks)
 *      a code object's extra slots                                  (to tell code objects apart cheaply)
 *      which tools have its PY_UNWIND, 3.15                         (to ask for it once)
 * The second is checked when the module is loaded (learn_code_slot() in module.c). */
#ifndef GP_COMPAT_H
#define GP_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stdint.h>

#define COMPAT_HAS_MONITORING (PY_VERSION_HEX >= 0x030C0000)
#define COMPAT_CODE_KNOWS_QUALNAME (PY_VERSION_HEX >= 0x030B0000)

/* Whether the event PY_UNWIND can be had of single code objects. Then it is dangerous to ask for it of all: an
 * exception that passes a frame whose code the interpreter never prepared for events crashes 3.15.0. */
#define COMPAT_UNWIND_IS_LOCAL (PY_VERSION_HEX >= 0x030F0000)

/* Whether objects that gc.freeze() took from the collector are visited all the same. */
#define COMPAT_VISITS_FROZEN (PY_VERSION_HEX >= 0x030E0000)

#if PY_VERSION_HEX >= 0x030B0000
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#define Py_BUILD_CORE 1
#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#endif
#if COMPAT_UNWIND_IS_LOCAL
#include <internal/pycore_instruments.h>
#endif
#undef Py_BUILD_CORE
#pragma GCC diagnostic pop
typedef _PyInterpreterFrame compat_frame;
#else
#include <frameobject.h>
typedef PyFrameObject compat_frame;
#endif

/* -- thread states ------------------------------------------------------------------------------- */

/* Borrowed. The caller holds the GIL, so there is one. */
static inline PyThreadState *
compat_thread_state(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

static inline uint64_t
compat_thread_state_id(const PyThreadState *tstate)
{
    return tstate->id;
}

/* Tells the threads of the process apart, while they live; never 0. The address of the thread's own variables is to
 * be had without a call, which the interpreter's thread state is not. */
static inline uintptr_t
compat_thread_mark(void)
{
#if defined(__linux__) && defined(__x86_64__)
    uintptr_t mark;
    __asm__("mov %%fs:0, %0" : "=r"(mark));
    return mark;
#elif defined(__linux__) && defined(__aarch64__)
    uintptr_t mark;
    __asm__("mrs %0, tpidr_el0" : "=r"(mark));
    return mark;
#else
    return (uintptr_t)compat_thread_state();
#endif
}

/* Whether the interpreter began in this thread: its thread state is the first that there was. */
static inline bool
compat_is_main_thread(const PyThreadState *tstate)
{
    return tstate->id == 1;
}

static inline uint64_t
compat_native_thread_id(const PyThreadState *tstate)
{
#if PY_VERSION_HEX >= 0x030B0000
    return tstate->native_thread_id;
#else
    (void)tstate;
    return 0;
#endif
}

/* -- frames -------------------------------------------------------------------------------------- */

/* The frame that runs on this thread; NULL when it runs no Python code. */
static inline compat_frame *
compat_current_frame(const PyThreadState *tstate)
{
#if PY_VERSION_HEX >= 0x030D0000
    return tstate->current_frame;
#elif PY_VERSION_HEX >= 0x030B0000
    return tstate->cframe->current_frame;
#else
    return tstate->frame;
#endif
}

/* A frame that a tracer of 3.10 and 3.11 is handed. */
static inline compat_frame *
compat_frame_of_object(PyFrameObject *object)
{
#if PY_VERSION_HEX >= 0x030B0000
    return object->f_frame;
#else
    return object;
#endif
}

/* Borrowed; NULL for a frame that is no function's: the interpreter's own, or one still being made. */
static inline PyCodeObject *
compat_frame_code(compat_frame *frame)
{
#if PY_VERSION_HEX >= 0x030E0000
    if (frame->owner >= FRAME_OWNED_BY_INTERPRETER || _PyFrame_IsIncomplete(frame)) {
        return NULL;
    }
    return _PyFrame_GetCode(frame);
#elif PY_VERSION_HEX >= 0x030C0000
    if (frame->owner == FRAME_OWNED_BY_CSTACK || _PyFrame_IsIncomplete(frame)) {
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030D0000
    return _PyFrame_GetCode(frame);
#else
    return frame->f_code;
#endif
#elif PY_VERSION_HEX >= 0x030B0000
    return _PyFrame_IsIncomplete(frame) ? NULL : frame->f_code;
#else
    return frame->f_code;
#endif
}

/* Whether a frame runs this code. `code` need not be a code object. */
static inline bool
compat_frame_runs(const compat_frame *frame, PyObject *code)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyStackRef_AsPyObjectBorrow(frame->f_executable) == code;
#elif PY_VERSION_HEX >= 0x030D0000
    return frame->f_executable == code;
#else
    return (PyObject *)frame->f_code == code;
#endif
}

static inline compat_frame *
compat_frame_previous(compat_frame *frame)
{
#if PY_VERSION_HEX >= 0x030B0000
    return frame->previous;
#else
    return frame->f_back;
#endif
}

/* Borrowed; the first argument or local of a running frame, NULL where there is none. */
static inline PyObject *
compat_frame_first_local(compat_frame *frame)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyStackRef_AsPyObjectBorrow(frame->localsplus[0]);
#elif PY_VERSION_HEX >= 0x030B0000
    return frame->localsplus[0];
#else
    return frame->f_localsplus[0];
#endif
}

/* -- code objects -------------------------------------------------------------------------------- */

/* How the interpreter lays out a code object's extra slots. */
struct compat_code_extra {
    Py_ssize_t size;
    void *slots[1];
};

static inline void *
compat_code_extra_get(const PyCodeObject *code, Py_ssize_t slot)
{
    const struct compat_code_extra *extra = (const struct compat_code_extra *)code->co_extra;
    return extra != NULL && slot < extra->size ? extra->slots[slot] : NULL;
}

static inline Py_ssize_t
compat_code_extra_request(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyUnstable_Eval_RequestCodeExtraIndex(NULL);
#else
    return _PyEval_RequestCodeExtraIndex(NULL);
#endif
}

/* -1 and an exception when there is no memory. */
static inline int
compat_code_extra_set(PyCodeObject *code, Py_ssize_t slot, void *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyUnstable_Code_SetExtra((PyObject *)code, slot, value);
#else
    return _PyCode_SetExtra((PyObject *)code, slot, value);
#endif
}

/* The bytes that tell two code objects of one name and line apart: where each instruction comes from. */
static inline PyObject *
compat_code_positions_borrowed(const PyCodeObject *code)
{
    return code->co_linetable;
}

/* Borrowed; NULL where it is of no use. */
static inline PyObject *
compat_frame_globals(compat_frame *frame)
{
    return frame->f_globals;
}

/* Whether a generator or coroutine enters anew: not for the first time. 3.10 and 3.11 only, where the
 * events do not say. */
#if !COMPAT_HAS_MONITORING
static inline bool
compat_frame_was_started(PyFrameObject *object)
{
#if PY_VERSION_HEX >= 0x030B0000
    const compat_frame *frame = object->f_frame;
    return _PyInterpreterFrame_LASTI(frame) > frame->f_code->_co_firsttraceable;
#else
    return object->f_lasti >= 0;
#endif
}

/* Sets the profile function of any thread; cannot fail. PyEval_SetProfile() runs audit hooks, which may be Python
 * code: other threads go on meanwhile, and one that sets a profile function then has an exception for it. */
static inline void
compat_set_profile(PyThreadState *tstate, Py_tracefunc function, PyObject *object)
{
    PyObject *replaced_owned = tstate->c_profileobj;
    tstate->c_profileobj = Py_XNewRef(object);
    tstate->c_profilefunc = function;
    bool traces = function != NULL || tstate->c_tracefunc != NULL;
#if PY_VERSION_HEX >= 0x030B0000
    tstate->cframe->use_tracing = traces && tstate->tracing == 0 ? 255 : 0;
#else
    tstate->cframe->use_tracing = traces;
#endif
    Py_XDECREF(replaced_owned);
}
#endif

/* Whether a tool is told of exceptions that leave this code, which has had an event before. */
static inline bool
compat_code_has_unwind(const PyCodeObject *code, int tool_id)
{
#if COMPAT_UNWIND_IS_LOCAL
    return (code->_co_monitoring->local_monitors.tools[PY_MONITORING_EVENT_PY_UNWIND] >> tool_id) & 1;
#else
    (void)code;
    (void)tool_id;
    return true;
#endif
}

/* -- objects ------------------------------------------------------------------------------------- */

/* What a weak reference leads to; NULL when that is gone. */
static inline PyObject *
compat_weakref_get_owned(PyObject *weakref)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *object_owned = NULL;
    (void)PyWeakref_GetRef(weakref, &object_owned);
    return object_owned;
#else
    PyObject *object = PyWeakref_GetObject(weakref);
    return object == Py_None ? NULL : Py_NewRef(object);
#endif
}

/* Calls `visit` for each object that the collector knows; those that gc.freeze() took from it are left out
 * before 3.14.
 * -1 when there is no memory; leaves no exception. */
static inline int
compat_visit_objects(int (*visit)(PyObject *object, void *arg), void *arg)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyUnstable_GC_VisitObjects(visit, arg);
    return 0;
#else
    PyObject *gc_owned = PyImport_ImportModule("gc");
    PyObject *objects_owned = gc_owned != NULL ? PyObject_CallMethod(gc_owned, "get_objects", NULL) : NULL;
    int failed = objects_owned != NULL ? 0 : -1;
    for (Py_ssize_t index = 0; failed == 0 && index < PyList_GET_SIZE(objects_owned); index++) {
        (void)visit(PyList_GET_ITEM(objects_owned, index), arg);
    }
    PyErr_Clear();
    Py_XDECREF(objects_owned);
    Py_XDECREF(gc_owned);
    return failed;
#endif
}

/* -- types --------------------------------------------------------------------------------------- */

/* A new reference to the names of a type; NULL without an exception where it has none. */
static inline PyObject *
compat_type_dict_owned(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_GetDict(type);
#else
    Py_XINCREF(type->tp_dict);
    return type->tp_dict;
#endif
}

#endif
