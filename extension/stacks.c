/* stacks.c -- collecting the frames that are open, and making a position of them. */
#include "stacks.h"

#define FIRST_FRAMES ((size_t)32)

static bool
grow(struct memory *memory, struct stack *stack)
{
    size_t capacity = stack->capacity == 0 ? FIRST_FRAMES : stack->capacity * 2;
    size_t old_size = stack->capacity * sizeof(void *);
    size_t new_size = capacity * sizeof(void *);
    compat_frame **frames = memory_resize(memory, stack->frames, old_size, new_size);
    if (frames == NULL) {
        return false;
    }
    stack->frames = frames;
    PyCodeObject **codes = memory_resize(memory, stack->codes, old_size, new_size);
    if (codes == NULL) {
        stack->frames = memory_resize(memory, frames, new_size, old_size);
        return false;
    }
    stack->codes = codes;
    stack->capacity = capacity;
    return true;
}

static bool
push(struct tracer *tracer, struct stack *stack, compat_frame *frame, PyCodeObject *code)
{
    if (functions_exclude(&tracer->functions, code, frame)) {
        return true;
    }
    if (stack->count == stack->capacity && !grow(&tracer->recorder.memory, stack)) {
        stack_free(tracer, stack);
        return false;
    }
    stack->frames[stack->count] = frame;
    stack->codes[stack->count++] = code;
    return true;
}

bool
stack_of_running(struct tracer *tracer, struct stack *stack, compat_frame *innermost)
{
    *stack = (struct stack){0};
    for (compat_frame *frame = innermost; frame != NULL; frame = compat_frame_previous(frame)) {
        PyCodeObject *code = compat_frame_code(frame);
        if (code != NULL && !push(tracer, stack, frame, code)) {
            return false;
        }
    }
    return true;
}

bool
stack_of_suspended(struct tracer *tracer, struct stack *stack, PyObject *innermost)
{
    *stack = (struct stack){0};
    bool fits = true;
    PyObject *frame_owned = Py_NewRef(innermost);
    while (fits && frame_owned != NULL && PyFrame_Check(frame_owned)) {
        PyFrameObject *object = (PyFrameObject *)frame_owned;
        PyCodeObject *code_owned = PyFrame_GetCode(object);
        fits = push(tracer, stack, compat_frame_of_object(object), code_owned);
        Py_DECREF((PyObject *)code_owned); /* its frame holds it */
        Py_SETREF(frame_owned, (PyObject *)PyFrame_GetBack(object));
    }
    Py_XDECREF(frame_owned);
    return fits;
}

void
stack_free(struct tracer *tracer, struct stack *stack)
{
    struct memory *memory = &tracer->recorder.memory;
    memory_free(memory, stack->frames, stack->capacity * sizeof(void *));
    memory_free(memory, stack->codes, stack->capacity * sizeof(void *));
    *stack = (struct stack){0};
}

static struct node *
seeded_child(struct tracer *tracer, struct thread *thread, PyCodeObject *code, compat_frame *frame)
{
    struct node *node =
        recorder_recent_child(thread->position->top->node, code_key(code, tracer->functions.code_slot));
    return node != NULL ? node : tracer_child_of_code(tracer, thread, code, frame);
}

void
stack_seed(struct tracer *tracer, struct thread *thread, struct position *position, const struct stack *stack)
{
    struct position *running = thread->position;
    thread->position = position; /* calls are opened where the thread is */
    for (size_t depth = stack->count; depth-- > 0;) {
        struct node *node = seeded_child(tracer, thread, stack->codes[depth], stack->frames[depth]);
        if (node != NULL) { /* else there was no memory before to know that it is excluded */
            recorder_open(&tracer->recorder, thread, (uintptr_t)stack->frames[depth], node);
        }
    }
    thread->position = running;
}

bool
stack_is_of(const struct stack *stack, const struct position *position)
{
    const struct open_call *call = position_python_call(position);
    for (size_t depth = 0; depth < stack->count; depth++) {
        if (call == position_bottom(position) || call->frame != (uintptr_t)stack->frames[depth]) {
            return false;
        }
        call = position_python_call_from(position, call - 1);
    }
    return call == position_bottom(position);
}
