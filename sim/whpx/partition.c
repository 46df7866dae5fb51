/* partition.c - partitions and virtual processors: handles, life cycle, who may use them when. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "whpsim.h"

enum { MAGIC = 0x50485657, SINT_MASKED = 1 << 16 };

static _Atomic uint64_t breaches;
static atomic_uint partitions_set_up;
static struct whpsim_partition *partitions;
static pthread_mutex_t partitions_lock = PTHREAD_MUTEX_INITIALIZER;

void whpsim_breach(const char *function, const char *what)
{
	atomic_fetch_add(&breaches, 1);
	fprintf(stderr, "simulated WHP: %s: %s\n", function, what);
}

uint64_t whpsim_breaches(void)
{
	return atomic_load(&breaches);
}

/* ------ handles ------ */

struct whpsim_partition *whpsim_partition(WHV_PARTITION_HANDLE handle)
{
	struct whpsim_partition *p = handle;
	return p && p->magic == MAGIC ? p : NULL;
}

static struct whpsim_vp *vp_at(struct whpsim_partition *p, uint32_t index)
{
	return index < WHPSIM_MAX_VPS ? p->vps[index] : NULL;
}

HRESULT whpsim_acquire(WHV_PARTITION_HANDLE handle, uint32_t index, const char *what, struct whpsim_vp **vp)
{
	struct whpsim_partition *p = whpsim_partition(handle);
	if (!p)
		return E_HANDLE;
	*vp = vp_at(p, index);
	if (!*vp)
		return WHV_E_VP_DOES_NOT_EXIST;
	if (!atomic_exchange_explicit(&(*vp)->busy, true, memory_order_acquire))
		return S_OK;
	whpsim_breach(what, "another thread is inside a call on this virtual processor");
	return WHV_E_INVALID_VP_STATE;
}

void whpsim_release(struct whpsim_vp *vp)
{
	atomic_store_explicit(&vp->busy, false, memory_order_release);
}

bool whpsim_running(const struct whpsim_partition *p)
{
	for (uint32_t i = 0; i < WHPSIM_MAX_VPS; i++)
		if (p->vps[i] && atomic_load(&p->vps[i]->busy))
			return true;
	return false;
}

const struct whp_counts *whpsim_counts(WHV_PARTITION_HANDLE handle, uint32_t index)
{
	struct whpsim_partition *p = whpsim_partition(handle);
	struct whpsim_vp *vp = p ? vp_at(p, index) : NULL;
	return vp ? &vp->counts : NULL;
}

/* ------ partitions ------ */

static void enlist(struct whpsim_partition *p)
{
	pthread_mutex_lock(&partitions_lock);
	p->next = partitions;
	p->link = &partitions;
	if (p->next)
		p->next->link = &p->next;
	partitions = p;
	pthread_mutex_unlock(&partitions_lock);
}

static void strike_off(struct whpsim_partition *p)
{
	pthread_mutex_lock(&partitions_lock);
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	pthread_mutex_unlock(&partitions_lock);
}

HRESULT WHvCreatePartition(WHV_PARTITION_HANDLE *Partition)
{
	if (!Partition)
		return E_POINTER;
	if (whpsim_config()->disabled)
		return WHP_HRESULT(0xc0351000u); /* ERROR_HV_NOT_PRESENT */
	struct whpsim_partition *p = calloc(1, sizeof *p);
	if (!p)
		return E_OUTOFMEMORY;
	p->magic = MAGIC;
	p->time_stopped_at = p->unmapped = UINT64_MAX;
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->world_lock, NULL);
	pthread_cond_init(&p->world_cond, NULL);
	pthread_mutex_init(&p->irq_lock, NULL);
	pthread_cond_init(&p->irq_cond, NULL);
	whpsim_properties_init(&p->properties);
	enlist(p);
	*Partition = p;
	return S_OK;
}

static HRESULT set_up(struct whpsim_partition *p)
{
	if (p->setup || !p->properties.processor_count)
		return WHV_E_INVALID_PARTITION_CONFIG;
	if (whpsim_config()->denied)
		return E_ACCESSDENIED;
	if (whpsim_config()->one_partition && atomic_load(&partitions_set_up))
		return WHP_HRESULT(0xc0370008u); /* ERROR_VID_PARTITION_ALREADY_EXISTS */
	p->share = x86_share_new();
	if (!p->share || whpsim_apic_start(p) != 0)
		return E_OUTOFMEMORY;
	atomic_fetch_add(&partitions_set_up, 1);
	p->setup = true;
	return S_OK;
}

HRESULT WHvSetupPartition(WHV_PARTITION_HANDLE Partition)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	pthread_mutex_lock(&p->lock);
	HRESULT r = set_up(p);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Cancels come from other threads, and must have returned before their processor goes. */
static void free_vp(struct whpsim_vp *vp, const char *function)
{
	if (atomic_load(&vp->cancelling))
		whpsim_breach(function, "another thread is inside WHvCancelRunVirtualProcessor");
	x86_share_leave(vp->cpu);
	x86_free(vp->cpu);
	free(vp);
}

HRESULT WHvDeletePartition(WHV_PARTITION_HANDLE Partition)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (whpsim_running(p)) {
		whpsim_breach("WHvDeletePartition", "a virtual processor is inside a call");
		return WHV_E_INVALID_VP_STATE;
	}
	p->magic = 0;
	strike_off(p);
	whpsim_apic_stop(p);
	for (uint32_t i = 0; i < WHPSIM_MAX_VPS; i++)
		if (p->vps[i])
			free_vp(p->vps[i], "WHvDeletePartition");
	if (p->setup)
		atomic_fetch_sub(&partitions_set_up, 1);
	x86_share_free(p->share);
	whpsim_memory_free(p);
	whpsim_doorbells_free(p);
	whpsim_properties_free(&p->properties);
	pthread_cond_destroy(&p->irq_cond);
	pthread_mutex_destroy(&p->irq_lock);
	pthread_cond_destroy(&p->world_cond);
	pthread_mutex_destroy(&p->world_lock);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return S_OK;
}

unsigned whpsim_delete_all(void)
{
	unsigned n = 0;
	while (partitions && WHvDeletePartition(partitions) == S_OK)
		n++;
	return n;
}

HRESULT WHvSetPartitionProperty(WHV_PARTITION_HANDLE Partition, WHV_PARTITION_PROPERTY_CODE PropertyCode,
				const void *PropertyBuffer, uint32_t PropertyBufferSizeInBytes)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	pthread_mutex_lock(&p->lock);
	HRESULT r = whpsim_running(p) ? WHV_E_INVALID_VP_STATE
				      : whpsim_property_set(&p->properties, p->setup, PropertyCode, PropertyBuffer,
							    PropertyBufferSizeInBytes);
	pthread_mutex_unlock(&p->lock);
	return r;
}

HRESULT WHvGetPartitionProperty(WHV_PARTITION_HANDLE Partition, WHV_PARTITION_PROPERTY_CODE PropertyCode,
				void *PropertyBuffer, uint32_t PropertyBufferSizeInBytes, uint32_t *WrittenSizeInBytes)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	pthread_mutex_lock(&p->lock);
	HRESULT r = whpsim_property_get(&p->properties, PropertyCode, PropertyBuffer, PropertyBufferSizeInBytes,
					WrittenSizeInBytes);
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* ------ virtual processors ------ */

/* No document says what a new virtual processor has in them. */
static void poison_registers(struct whpsim_vp *vp)
{
	struct x86_cpu *c = vp->cpu;
	whpsim_hostile_poison(&vp->hostile, c->r, 16 * sizeof *c->r);
	whpsim_hostile_poison(&vp->hostile, &c->cr2, sizeof c->cr2);
	whpsim_hostile_poison(&vp->hostile, c->v, sizeof c->v);
}

/* What was seen on Windows to differ from a processor's own RESET: CS's base, RDX (virt86, StrikeBox). */
static void reset(struct whpsim_vp *vp)
{
	x86_reset(vp->cpu);
	poison_registers(vp);
	vp->cpu->seg[X86_CS].base = 0xf0000;
	vp->cpu->r[2] = 0x00100f62;
	x86_state_changed(vp->cpu, true);
	vp->apic_base = 0xfee00800 | (vp->index ? 0 : 0x100);
	vp->wanted.AsUINT64 = vp->pending_debug.AsUINT64 = 0;
	vp->exception.EventPending = 0;
	memset(vp->synthetic, 0, sizeof vp->synthetic);
	for (unsigned i = 0; i < 16; i++)
		vp->synthetic[i] = SINT_MASKED;
	vp->halted = vp->extint_valid = vp->bad_rflags = false;
	vp->trap.reason = WHvRunVpExitReasonNone;
	vp->wait_sipi = whpsim_has_apic(vp->partition) && vp->index;
	vp->unchecked = true;
	atomic_store(&vp->nmi, false);
	atomic_store(&vp->init, false);
	atomic_store(&vp->sipi, false);
}

static void reset_apic(struct whpsim_partition *p, uint32_t index)
{
	if (!whpsim_has_apic(p))
		return;
	pthread_mutex_lock(&p->irq_lock);
	irq_pc_reset_vcpu(&p->pc, index);
	pthread_mutex_unlock(&p->irq_lock);
}

/* Every virtual processor as after its creation; memory and properties stay (documentation of WHvResetPartition). */
HRESULT WHvResetPartition(WHV_PARTITION_HANDLE Partition)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!p->setup)
		return WHV_E_INVALID_PARTITION_CONFIG;
	if (whpsim_running(p)) {
		whpsim_breach("WHvResetPartition", "a virtual processor is inside a call");
		return WHV_E_INVALID_VP_STATE;
	}
	pthread_mutex_lock(&p->lock);
	for (uint32_t i = 0; i < WHPSIM_MAX_VPS; i++)
		if (p->vps[i]) {
			reset(p->vps[i]);
			reset_apic(p, i);
		}
	pthread_mutex_unlock(&p->lock);
	return S_OK;
}

static struct whpsim_vp *new_vp(struct whpsim_partition *p, uint32_t index)
{
	struct whpsim_vp *vp = calloc(1, sizeof *vp);
	if (!vp)
		return NULL;
	vp->partition = p;
	vp->index = index;
	whpsim_hostile_init(&vp->hostile, index);
	vp->exit_ns = whpsim_config()->exit_ns;
	whpsim_env_init(vp);
	vp->cpu = x86_new(&vp->env, vp, &vp->attention);
	if (!vp->cpu) {
		free(vp);
		return NULL;
	}
	vp->cpu->exact =
		whpsim_has_apic(p); /* what the APIC is told ends the block: an EOI's exit is right behind it */
	reset(vp);
	reset_apic(p, index);
	return vp;
}

/* The others' CPUs learn of a new one while they stand still; alone until now, a CPU kept no account of what it may
 * write. */
static HRESULT add_vp(struct whpsim_partition *p, uint32_t index)
{
	if (p->vps[index])
		return WHV_E_VP_ALREADY_EXISTS;
	struct whpsim_vp *vp = new_vp(p, index);
	if (!vp)
		return E_OUTOFMEMORY;
	whpsim_stop_world(p, true);
	x86_share_join(vp->cpu, p->share, index);
	pthread_mutex_lock(&p->irq_lock); /* the controllers' callbacks look virtual processors up */
	p->vps[index] = vp;
	pthread_mutex_unlock(&p->irq_lock);
	whpsim_start_world(p);
	return S_OK;
}

static HRESULT create(WHV_PARTITION_HANDLE Partition, uint32_t index)
{
	struct whpsim_partition *p = whpsim_partition(Partition);
	if (!p)
		return E_HANDLE;
	if (!p->setup)
		return WHV_E_INVALID_PARTITION_CONFIG;
	if (index >= p->properties.processor_count)
		return E_INVALIDARG;
	pthread_mutex_lock(&p->lock);
	HRESULT r = add_vp(p, index);
	pthread_mutex_unlock(&p->lock);
	return r;
}

HRESULT WHvCreateVirtualProcessor(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex, uint32_t Flags)
{
	return Flags ? E_INVALIDARG : create(Partition, VpIndex);
}

HRESULT WHvCreateVirtualProcessor2(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex,
				   const WHV_VIRTUAL_PROCESSOR_PROPERTY *Properties, uint32_t PropertyCount)
{
	if (PropertyCount && !Properties)
		return E_POINTER;
	for (uint32_t i = 0; i < PropertyCount; i++)
		if (Properties[i].PropertyCode != WHvVirtualProcessorPropertyCodeNumaNode || Properties[i].Reserved)
			return WHV_E_UNKNOWN_PROPERTY;
	return create(Partition, VpIndex);
}

HRESULT WHvDeleteVirtualProcessor(WHV_PARTITION_HANDLE Partition, uint32_t VpIndex)
{
	struct whpsim_vp *vp;
	HRESULT r = whpsim_acquire(Partition, VpIndex, "WHvDeleteVirtualProcessor", &vp);
	if (r != S_OK)
		return r;
	struct whpsim_partition *p = vp->partition;
	pthread_mutex_lock(&p->lock);
	whpsim_stop_world(p, false);
	pthread_mutex_lock(&p->irq_lock);
	p->vps[VpIndex] = NULL;
	pthread_mutex_unlock(&p->irq_lock);
	free_vp(vp, "WHvDeleteVirtualProcessor");
	whpsim_start_world(p);
	pthread_mutex_unlock(&p->lock);
	return S_OK;
}
