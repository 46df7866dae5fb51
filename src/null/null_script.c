/* null_script.c - what the scripted back end was told: failures, limits, and the steps of each vCPU. */
#include <stdlib.h>
#include <string.h>
#include "null/null.h"

enum { MAX_FAILURES = 32 };

static const char *const slot_names[] = {
#define X(name) #name,
	VMA_NULL_SLOTS(X)
#undef X
};

static struct {
	int slot; /* -1: free */
	uint32_t left;
	int error;
} failures[MAX_FAILURES];
static size_t failure_count;
static uint64_t calls[NULL_SLOT_COUNT];
static vma_platform_info limits;
static bool limited;

static int slot_of(const char *name)
{
	for (int i = 0; i < NULL_SLOT_COUNT; i++)
		if (!strcmp(slot_names[i], name))
			return i;
	return -1;
}

int vma_null_fail(const char *slot, uint32_t nth, int error)
{
	int s = slot ? slot_of(slot) : -1, rc = 0;

	if (s < 0)
		return vma_fail(VMA_E_NOENT, "the back-end table has no slot \"%.40s\"", slot ? slot : "");
	if (!nth || error >= 0)
		return vma_fail(VMA_E_INVALID, "call %u (1 is the next) is to fail with %d (below 0)", nth, error);
	os_process_lock();
	if (failure_count == MAX_FAILURES) {
		rc = vma_fail(VMA_E_LIMIT, "%d failures wait already", MAX_FAILURES);
	} else {
		failures[failure_count].slot = s;
		failures[failure_count].left = nth;
		failures[failure_count++].error = error;
	}
	os_process_unlock();
	return rc;
}

void vma_null_clear(void)
{
	os_process_lock();
	failure_count = 0;
	limited = false;
	memset(calls, 0, sizeof(calls));
	os_process_unlock();
}

uint64_t vma_null_calls(const char *slot)
{
	int s = slot ? slot_of(slot) : -1;
	uint64_t n;

	if (s < 0)
		return 0;
	os_process_lock();
	n = calls[s];
	os_process_unlock();
	return n;
}

static int due(enum null_slot slot)
{
	int error = 0;

	for (size_t i = 0; i < failure_count; i++) {
		if (failures[i].slot != (int)slot || --failures[i].left)
			continue;
		error = failures[i].error;
		failures[i--] = failures[--failure_count];
	}
	return error;
}

int null_enter(enum null_slot slot)
{
	int error;

	os_process_lock();
	calls[slot]++;
	error = due(slot);
	os_process_unlock();
	return error ? vma_fail(error, "null: %s was told to fail with %s", slot_names[slot], vma_error_name(error))
		     : 0;
}

int vma_null_limits(const vma_platform_info *info)
{
	if (info && info->size < sizeof(*info))
		return vma_fail(VMA_E_INVALID, "vma_platform_info.size is %u; set it to sizeof, %zu here", info->size,
				sizeof(*info));
	os_process_lock();
	limited = info;
	if (info)
		limits = *info;
	os_process_unlock();
	return 0;
}

static void lower(uint32_t *value, uint32_t limit)
{
	if (limit < *value)
		*value = limit;
}

void null_apply_limits(vma_platform_info *info)
{
	os_process_lock();
	if (limited) {
		info->caps &= limits.caps;
		lower(&info->max_vcpus, limits.max_vcpus);
		lower(&info->max_regions, limits.max_regions);
		lower(&info->gpa_bits, limits.gpa_bits);
		lower(&info->breakpoints, limits.breakpoints);
		/* A larger granule is the stricter one. */
		if (limits.granule > info->granule && !(limits.granule & (limits.granule - 1)))
			info->granule = limits.granule;
	}
	os_process_unlock();
}

/* ------ steps ------ */

static struct null_vcpu *scripted(vma_vcpu *v)
{
	return v && v->vm->be->accel == VMA_ACCEL_NULL && v->owner == os_thread_self() ? v->priv : NULL;
}

static const uint8_t *bytes_of(const vma_null_step *s, size_t *size)
{
	*size = 0;
	if (s->error < 0)
		return NULL;
	if (s->exit.kind == VMA_EXIT_IO) {
		*size = (size_t)s->exit.io.width * s->exit.io.count;
		return s->exit.io.write ? s->exit.io.data : NULL;
	}
	if (s->exit.kind == VMA_EXIT_MMIO) {
		*size = s->exit.mmio.length;
		return s->exit.mmio.write ? s->exit.mmio.data : NULL;
	}
	return NULL;
}

static int check_step(const vma_null_step *s)
{
	const vma_exit *e = &s->exit;

	if (s->size < sizeof(*s) || s->more > 1 || (s->error >= 0 && !strcmp(vma_exit_name((int)e->kind), "?")))
		return vma_fail(VMA_E_INVALID, "script: size %u (%zu), more %u, or exit kind %u is not in the list",
				s->size, sizeof(*s), s->more, e->kind);
	if (s->error < 0)
		return 0;
	if (e->kind == VMA_EXIT_IO &&
	    ((e->io.width != 1 && e->io.width != 2 && e->io.width != 4) || !e->io.count || e->io.count > 65536))
		return vma_fail(VMA_E_INVALID, "script: an IO exit of %u elements of %u bytes", e->io.count,
				e->io.width);
	if (e->kind == VMA_EXIT_MMIO && (!e->mmio.length || e->mmio.length > 8))
		return vma_fail(VMA_E_INVALID, "script: an MMIO exit of %u bytes", e->mmio.length);
	if (e->kind == VMA_EXIT_MMIO && s->reg >= VMA_X86_GPR_END)
		return vma_fail(VMA_E_INVALID, "script: %#x is no general register", s->reg);
	return 0;
}

static int copy_step(struct null_step *to, const vma_null_step *from)
{
	size_t size;
	const uint8_t *bytes = bytes_of(from, &size);
	int rc = check_step(from);

	to->step = *from;
	to->bytes = NULL;
	if (rc || !size)
		return rc;
	to->bytes = os_calloc(1, size);
	if (!to->bytes)
		return vma_fail(VMA_E_NOMEM, "no memory for a scripted exit");
	if (bytes)
		memcpy(to->bytes, bytes, size);
	return 0;
}

static void free_steps(struct null_step *steps, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		os_free(steps[i].bytes);
}

int vma_null_script(vma_vcpu *v, const vma_null_step *steps, size_t count)
{
	struct null_vcpu *n = scripted(v);
	struct null_step *all;
	size_t left;
	int rc = 0;

	if (!n || (count && !steps) || count > 1u << 20)
		return vma_fail(VMA_E_INVALID, "script: not the owner of a null vCPU, or no steps");
	left = n->count - n->at;
	all = os_calloc(left + count + 1, sizeof(*all));
	if (!all)
		return vma_fail(VMA_E_NOMEM, "no memory for a script of %zu steps", count);
	for (size_t i = 0; !rc && i < count; i++) {
		rc = copy_step(all + left + i, steps + i);
		if (rc) {
			free_steps(all, left, left + i + 1);
			os_free(all);
			return rc;
		}
	}
	if (left)
		memcpy(all, n->steps + n->at, left * sizeof(*all));
	os_free(n->steps);
	n->steps = all;
	n->at = 0;
	n->count = left + count;
	return 0;
}

size_t vma_null_left(vma_vcpu *v)
{
	struct null_vcpu *n = scripted(v);

	return n ? n->count - n->at : 0;
}

void null_forget(struct null_vcpu *n)
{
	free_steps(n->steps, n->at, n->count);
	os_free(n->steps);
	os_free(n->now.bytes);
	n->steps = NULL;
	n->now.bytes = NULL;
	n->count = n->at = 0;
}
