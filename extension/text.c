/* text.c -- names copied out of str objects, byte by byte, to be made str again when a snapshot is. */
#include "text.h"

#include <string.h>

static size_t
size_of(const struct text *text)
{
    return text->length * (size_t)(text->unit == 0 ? 1 : text->unit);
}

bool
text_copy(struct memory *memory, struct text *text, const struct text *source)
{
    *text = (struct text){.length = source->length, .unit = source->unit};
    if (size_of(source) == 0) {
        return true;
    }
    text->data = memory_get(memory, size_of(source));
    if (text->data == NULL) {
        text->length = 0;
        return false;
    }
    memcpy(text->data, source->data, size_of(source));
    return true;
}

struct text
text_borrowed(PyObject *str)
{
    return (struct text){
        .data = PyUnicode_DATA(str),
        .length = (size_t)PyUnicode_GET_LENGTH(str),
        .unit = (int)PyUnicode_KIND(str),
    };
}

bool
text_copy_str(struct memory *memory, struct text *text, PyObject *str)
{
    struct text borrowed = text_borrowed(str);
    return text_copy(memory, text, &borrowed);
}

struct text
text_of_c_string(const char *string)
{
    union {
        const char *in;
        void *out;
    } unshared = {.in = string};
    return (struct text){.data = unshared.out, .length = strlen(string), .unit = 0};
}

void
text_free(struct memory *memory, struct text *text)
{
    memory_free(memory, text->data, size_of(text));
    *text = (struct text){0};
}

PyObject *
text_to_str(const struct text *text)
{
    if (text->unit == 0) {
        return PyUnicode_DecodeUTF8(text->data, (Py_ssize_t)text->length, "replace");
    }
    return PyUnicode_FromKindAndData(text->unit, text->data, (Py_ssize_t)text->length);
}
