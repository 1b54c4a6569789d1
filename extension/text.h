/* text.h -- a name, copied out of a str or a C string as raw characters. */
#ifndef GP_TEXT_H
#define GP_TEXT_H

#include "compat.h"
#include "memory.h"

/* unit: bytes a character, as PyUnicode_KIND; 0 is UTF-8. */
struct text {
    void *data;
    size_t length; /* in characters; bytes when unit is 0 */
    int unit;
};

/* Borrowed: as long as what they come from. */
struct text text_borrowed(PyObject *str);
struct text text_of_c_string(const char *string);

/* False when there is no memory. */
bool text_copy_str(struct memory *memory, struct text *text, PyObject *str);
bool text_copy(struct memory *memory, struct text *text, const struct text *source);
void text_free(struct memory *memory, struct text *text);

/* A new str; NULL and an exception. */
PyObject *text_to_str(const struct text *text);

#endif
