/* notes.c -- names and spawning places of greenlets. */
#include "notes.h"

#include "module.h"

#define FIRST_NOTES ((size_t)64)
#define MOST_NOTES ((size_t)100000)
#define LONGEST_NAME ((size_t)200)

/* -- reading a greenlet -------------------------------------------------------------------------- */

/* Borrowed; NULL if there is none, or it is no str. */
static PyObject *
name_borrowed(const struct module_state *state, PyObject *greenlet)
{
    Py_ssize_t offset = Py_TYPE(greenlet)->tp_dictoffset;
    PyObject *names = offset > 0 ? *(PyObject **)((char *)greenlet + offset) : NULL;
    PyObject *name = names != NULL ? PyDict_GetItemWithError(names, state->name_name_owned) : NULL;
    if (name == NULL) {
        PyErr_Clear(); /* of a key that cannot be compared */
    }
    return name != NULL && PyUnicode_CheckExact(name) ? name : NULL;
}

/* A new reference to a plain attribute: nothing in Python is called for it. NULL without an exception. */
static PyObject *
attribute_owned(PyObject *object, PyObject *name)
{
    PyObject *value_owned = PyObject_GenericGetAttr(object, name);
    PyErr_Clear();
    return value_owned;
}

enum reading { NO_PLACE, PLACE_READ, NO_ROOM_FOR_PLACE };

static enum reading
read_place(struct note_place *place, struct functions *functions, PyObject *spawning_frame)
{
    const struct module_state *state = functions->state;
    PyObject *code_owned = attribute_owned(spawning_frame, state->code_name_owned);
    PyObject *line_owned = attribute_owned(spawning_frame, state->line_name_owned);
    bool is_known = code_owned != NULL && PyCode_Check(code_owned) && line_owned != NULL;
    if (is_known) {
        place->function = functions_of_place(functions, (PyCodeObject *)code_owned);
        place->line = (int)PyLong_AsLong(line_owned);
        PyErr_Clear();
    }
    Py_XDECREF(code_owned);
    Py_XDECREF(line_owned);
    if (!is_known) {
        return NO_PLACE;
    }
    return place->function != NULL ? PLACE_READ : NO_ROOM_FOR_PLACE;
}

/* False when there was no room for one; those further in are there. */
static bool
read_places(struct note *note, struct functions *functions, PyObject *greenlet)
{
    const struct module_state *state = functions->state;
    enum reading reading = PLACE_READ;
    PyObject *frame_owned = attribute_owned(greenlet, state->spawning_name_owned);
    while (frame_owned != NULL && reading == PLACE_READ && note->place_count < NOTE_PLACES) {
        reading = read_place(&note->places[note->place_count], functions, frame_owned);
        note->place_count += reading == PLACE_READ;
        PyObject *outer_owned = attribute_owned(frame_owned, state->back_name_owned);
        Py_SETREF(frame_owned, outer_owned);
    }
    Py_XDECREF(frame_owned);
    return reading != NO_ROOM_FOR_PLACE;
}

/* -- keeping it ---------------------------------------------------------------------------------- */

/* NULL when there is no memory, or enough of them. */
static struct note *
room_for_one(struct notes *notes, struct memory *memory)
{
    if (notes->count == notes->capacity) {
        struct note *moved =
            memory_grow_list(memory, notes->notes, &notes->capacity, sizeof *moved, FIRST_NOTES, MOST_NOTES);
        if (moved == NULL) {
            return NULL;
        }
        notes->notes = moved;
    }
    return &notes->notes[notes->count];
}

static bool
copy_name(struct note *note, struct memory *memory, PyObject *name)
{
    struct text borrowed = name != NULL ? text_borrowed(name) : (struct text){0};
    borrowed.length = borrowed.length < LONGEST_NAME ? borrowed.length : LONGEST_NAME;
    return text_copy(memory, &note->name, &borrowed);
}

void
notes_take(struct notes *notes, struct functions *functions, PyObject *greenlet, uint64_t greenlet_id)
{
    PyObject *name = name_borrowed(functions->state, greenlet);
    struct note note = {.greenlet_id = greenlet_id};
    if (notes->wants_places && !read_places(&note, functions, greenlet)) {
        notes->unkept++;
    }
    if (name == NULL && note.place_count == 0) {
        return;
    }
    struct note *room = room_for_one(notes, functions->memory);
    if (room == NULL || !copy_name(&note, functions->memory, name)) {
        notes->unkept++;
        return;
    }
    *room = note;
    notes->count++;
}

bool
notes_copy(struct notes *copy, struct memory *memory, const struct notes *notes)
{
    *copy = (struct notes){.unkept = notes->unkept};
    if (notes->count == 0) {
        return true;
    }
    copy->notes = memory_resize(memory, NULL, 0, notes->count * sizeof *copy->notes);
    copy->capacity = copy->notes != NULL ? notes->count : 0;
    for (; copy->count < copy->capacity; copy->count++) {
        struct note *note = &copy->notes[copy->count];
        *note = notes->notes[copy->count];
        if (!text_copy(memory, &note->name, &notes->notes[copy->count].name)) {
            return false;
        }
    }
    return copy->notes != NULL;
}

void
notes_dispose(struct notes *notes, struct memory *memory)
{
    for (size_t index = 0; index < notes->count; index++) {
        text_free(memory, &notes->notes[index].name);
    }
    memory_free(memory, notes->notes, notes->capacity * sizeof *notes->notes);
    *notes = (struct notes){.wants_places = notes->wants_places};
}
