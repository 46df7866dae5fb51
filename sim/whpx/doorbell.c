/* doorbell.c - guest writes that signal an event instead of exiting (WHP, WHvRegisterPartitionDoorbellEvent). */
#include <stdlib.h>
#include <string.h>
#include "event.h"
#include "whpsim.h"

#define INVALID_PARAMETER WHP_HRESULT(0xc0350005u) /* ERROR_HV_INVALID_PARAMETER */
#define NOT_FOUND WHP_HRESULT(0x80070490u)         /* HRESULT_FROM_WIN32(ERROR_NOT_FOUND) */

struct whpsim_doorbell {
	WHV_DOORBELL_MATCH_DATA match;
	void *event;
};

/* ------ the rules ------ */

static bool well_formed(const WHV_DOORBELL_MATCH_DATA *m)
{
	bool length = m->Length == 1 || m->Length == 2 || m->Length == 4 || m->Length == 8;
	if (m->Reserved || (m->MatchOnLength ? !length : m->Length || m->MatchOnValue) ||
	    (!m->MatchOnValue && m->Value))
		return false;
	return m->GuestAddress % WHPSIM_PAGE + m->Length <= WHPSIM_PAGE &&
	       m->GuestAddress >> whpsim_config()->gpa_bits == 0;
}

/* Two at one address are told apart by values of the same length. */
static bool conflict(const WHV_DOORBELL_MATCH_DATA *a, const WHV_DOORBELL_MATCH_DATA *b)
{
	return a->GuestAddress == b->GuestAddress &&
	       (a->Length != b->Length || !a->MatchOnValue || !b->MatchOnValue || a->Value == b->Value);
}

static bool conflicts(const struct whpsim_partition *p, const WHV_DOORBELL_MATCH_DATA *m)
{
	for (size_t i = 0; i < p->doorbell_count; i++)
		if (conflict(&p->doorbells[i].match, m))
			return true;
	return false;
}

/* ------ registering ------ */

static HRESULT add(struct whpsim_partition *p, const WHV_DOORBELL_MATCH_DATA *m, void *event)
{
	struct whpsim_doorbell *bigger;
	whpsim_stop_world(p, true);
	bigger = realloc(p->doorbells, (p->doorbell_count + 1) * sizeof *bigger);
	if (bigger) {
		bigger[p->doorbell_count++] = (struct whpsim_doorbell){*m, event};
		p->doorbells = bigger;
	}
	whpsim_start_world(p);
	return bigger ? S_OK : E_OUTOFMEMORY;
}

static HRESULT enroll(struct whpsim_partition *p, const WHV_DOORBELL_MATCH_DATA *m, void *handle)
{
	if (!p->setup)
		return WHV_E_INVALID_PARTITION_CONFIG;
	if (!well_formed(m))
		return E_INVALIDARG;
	if (conflicts(p, m))
		return INVALID_PARAMETER;
	void *event = whpsim_event_open(handle);
	if (!event)
		return E_HANDLE;
	HRESULT r = add(p, m, event);
	if (r != S_OK)
		whpsim_event_close(event);
	return r;
}

HRESULT WHvRegisterPartitionDoorbellEvent(WHV_PARTITION_HANDLE Partition, const WHV_DOORBELL_MATCH_DATA *MatchData,
					  void *EventHandle)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!MatchData)
		return E_POINTER;
	pthread_mutex_lock(&p->lock);
	HRESULT r = enroll(p, MatchData, EventHandle);
	pthread_mutex_unlock(&p->lock);
	return r;
}

static HRESULT strike(struct whpsim_partition *p, const WHV_DOORBELL_MATCH_DATA *m)
{
	for (size_t i = 0; i < p->doorbell_count; i++) {
		if (memcmp(&p->doorbells[i].match, m, sizeof *m))
			continue;
		whpsim_stop_world(p, true);
		whpsim_event_close(p->doorbells[i].event);
		p->doorbells[i] = p->doorbells[--p->doorbell_count];
		whpsim_start_world(p);
		return S_OK;
	}
	return NOT_FOUND;
}

HRESULT WHvUnregisterPartitionDoorbellEvent(WHV_PARTITION_HANDLE Partition, const WHV_DOORBELL_MATCH_DATA *MatchData)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!MatchData)
		return E_POINTER;
	pthread_mutex_lock(&p->lock);
	HRESULT r = strike(p, MatchData);
	pthread_mutex_unlock(&p->lock);
	return r;
}

void whpsim_doorbells_free(struct whpsim_partition *p)
{
	for (size_t i = 0; i < p->doorbell_count; i++)
		whpsim_event_close(p->doorbells[i].event);
	free(p->doorbells);
}

/* ------ ringing ------ */

bool whpsim_doorbell_page(const struct whpsim_partition *p, uint64_t gpa)
{
	for (size_t i = 0; i < p->doorbell_count; i++)
		if (p->doorbells[i].match.GuestAddress / WHPSIM_PAGE == gpa / WHPSIM_PAGE)
			return true;
	return false;
}

static bool matches(const WHV_DOORBELL_MATCH_DATA *m, uint64_t gpa, unsigned len, const uint8_t *data)
{
	uint64_t value = 0;
	memcpy(&value, data, len);
	return m->GuestAddress == gpa && (!m->MatchOnLength || m->Length == len) &&
	       (!m->MatchOnValue || m->Value == value);
}

bool whpsim_doorbell_rings(struct whpsim_vp *vp, uint64_t gpa, unsigned len, const uint8_t *data)
{
	const struct whpsim_partition *p = vp->partition;
	for (size_t i = 0; i < p->doorbell_count; i++)
		if (matches(&p->doorbells[i].match, gpa, len, data)) {
			if (whpsim_hostile_unrecognized(&vp->hostile))
				return false;
			whpsim_event_set(p->doorbells[i].event);
			return true;
		}
	return false;
}
