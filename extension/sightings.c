/* sightings.c -- a hash of greenlets by address, each with a weak reference. */
#include "sightings.h"

#define FIRST_BUCKETS ((size_t)64)

static struct sighting **
bucket_of(const struct sightings *sightings, const void *greenlet)
{
    uint64_t mixed = (uint64_t)(uintptr_t)greenlet * UINT64_C(0x9E3779B97F4A7C15);
    return &sightings->buckets[(size_t)(mixed >> 20) & (sightings->bucket_count - 1)];
}

static void
link_in(struct sightings *sightings, struct sighting *sighting)
{
    struct sighting **bucket = bucket_of(sightings, sighting->greenlet);
    sighting->next = *bucket;
    *bucket = sighting;
}

/* Room for more; without memory for it the chains grow, if there are any. */
static bool
make_room(struct sightings *sightings, struct memory *memory)
{
    if (sightings->count < sightings->bucket_count) {
        return true;
    }
    size_t old_count = sightings->bucket_count;
    struct sightings grown = {.bucket_count = old_count == 0 ? FIRST_BUCKETS : old_count * 2,
                              .count = sightings->count};
    grown.buckets = memory_get(memory, grown.bucket_count * sizeof *grown.buckets);
    if (grown.buckets == NULL) {
        return old_count > 0;
    }
    for (size_t bucket = 0; bucket < old_count; bucket++) {
        struct sighting *each = sightings->buckets[bucket];
        while (each != NULL) {
            struct sighting *next = each->next;
            link_in(&grown, each);
            each = next;
        }
    }
    memory_free(memory, sightings->buckets, old_count * sizeof *sightings->buckets);
    *sightings = grown;
    return true;
}

bool
sightings_add(struct sightings *sightings, struct memory *memory, PyObject *greenlet, size_t record)
{
    struct sighting *sighting = make_room(sightings, memory) ? memory_get(memory, sizeof *sighting) : NULL;
    PyObject *weakref_owned = sighting != NULL ? PyWeakref_NewRef(greenlet, NULL) : NULL;
    if (weakref_owned == NULL) {
        PyErr_Clear();
        memory_free(memory, sighting, sizeof *sighting);
        return false;
    }
    *sighting = (struct sighting){.greenlet = greenlet, .weakref_owned = weakref_owned, .record = record};
    link_in(sightings, sighting);
    sightings->count++;
    return true;
}

static void
forget(struct memory *memory, struct sighting *sighting)
{
    Py_DECREF(sighting->weakref_owned);
    memory_free(memory, sighting, sizeof *sighting);
}

static bool
is_sighting_of(const struct sighting *sighting, const PyObject *greenlet)
{
    PyObject *there_owned = compat_weakref_get_owned(sighting->weakref_owned);
    Py_XDECREF(there_owned); /* if it is this one, the caller holds it */
    return there_owned == greenlet;
}

bool
sightings_take(struct sightings *sightings, struct memory *memory, PyObject *greenlet, size_t *record)
{
    struct sighting **link = sightings->count > 0 ? bucket_of(sightings, greenlet) : NULL;
    while (link != NULL && *link != NULL && (*link)->greenlet != greenlet) {
        link = &(*link)->next;
    }
    if (link == NULL || *link == NULL) {
        return false;
    }
    struct sighting *sighting = *link;
    bool is_it = is_sighting_of(sighting, greenlet);
    *record = sighting->record;
    *link = sighting->next;
    sightings->count--;
    forget(memory, sighting);
    return is_it;
}

void
sightings_each(const struct sightings *sightings,
               void (*visit)(void *context, PyObject *greenlet_owned, size_t record), void *context)
{
    for (size_t bucket = 0; bucket < sightings->bucket_count; bucket++) {
        for (struct sighting *each = sightings->buckets[bucket]; each != NULL; each = each->next) {
            visit(context, compat_weakref_get_owned(each->weakref_owned), each->record);
        }
    }
}

void
sightings_clear(struct sightings *sightings, struct memory *memory)
{
    for (size_t bucket = 0; bucket < sightings->bucket_count; bucket++) {
        while (sightings->buckets[bucket] != NULL) {
            struct sighting *each = sightings->buckets[bucket];
            sightings->buckets[bucket] = each->next;
            forget(memory, each);
        }
    }
    memory_free(memory, sightings->buckets, sightings->bucket_count * sizeof *sightings->buckets);
    *sightings = (struct sightings){0};
}
