/* whpx_emu.h - between the emulator (whpx_emu.c), its going on with what follows (whpx_burst.c), and its state, which is
 * the vCPU's registers as the platform has them (whpx_emu_state.c). */
#ifndef VMA_WHPX_EMU_H
#define VMA_WHPX_EMU_H

#include "whpx/whpx.h"
#include "whpx/whpx_insn.h"

/* A place in the guest that exits: is it worth while to go on behind it? */
struct whpx_site {
	uint64_t rip;
	uint8_t exits;         /* counted up to what makes it worth a try */
	uint8_t skip, backoff; /* exits left before the next try; how many it will be after the next in vain */
};
enum { WHPX_SITES = 64 };

struct whpx_emu {
	atomic_uint attention; /* the software CPU's own: it is not to be interrupted */
	bool opening;          /* no vCPU to ask yet */
	bool touched;          /* something was executed since it was stored */
	enum x86_stop_kind kind; /* what that ended in */
	bool dropped;          /* an instruction dropped translations, as the platform is still to do */
	bool fresh;            /* loaded just now: nothing that the software CPU remembers of memory holds */
	bool vectors;          /* loaded with extended state */
	bool system;           /* ... with the registers that only system instructions use */
	uint64_t generation;   /* of the mappings that it knows */
	struct whpx_batch base; /* what the platform has, or will have once w->out is written */
	uint8_t *image, *changed; /* extended state, the same; room to work in */
	uint32_t image_size;

	/* the burst that goes on, if any */
	struct whpx_site *site;
	unsigned insns, devices; /* since the last device; devices met behind the first */
	struct whpx_site sites[WHPX_SITES];
	uint64_t exit_ns; /* what one costs at most, so far */
};

/* ------ whpx_emu.c ------ */

/* With the memory lock: nothing that the software CPU remembers of memory is older than the last time the vCPU could
 * have changed it, or somebody its mappings. */
void whpx_emu_look(struct whpx_vcpu *w);
/* With the memory lock, behind a look: the next instruction's class; x86_step or x86_complete. */
enum whpx_insn_class whpx_emu_class(struct x86_cpu *c);
enum x86_stop_kind whpx_emu_one(struct whpx_vcpu *w, enum x86_stop_kind (*fn)(struct x86_cpu *c));
/* Did it stop at the local APIC, which is the platform's and no device of ours? Then x86_abandon. */
bool whpx_emu_is_platforms(const struct whpx_vcpu *w, enum x86_stop_kind kind);
/* Without it: what was executed goes into w->out. The exit's kind; 0: the instruction is complete; or an error. */
int whpx_emu_done(struct whpx_vcpu *w, enum x86_stop_kind kind);

/* ------ whpx_emu_state.c ------ */

/* Room for the extended state, and the list of registers. */
int whpx_emu_state_open(struct whpx_vcpu *w);
void whpx_emu_state_close(struct whpx_vcpu *w);
/* The vCPU's registers into the software CPU, by one call; `system`: those of system instructions too. */
int whpx_emu_load(struct whpx_vcpu *w, bool system);
int whpx_emu_load_vectors(struct whpx_vcpu *w);
/* What has changed into w->out, and what the back end keeps of flags and events: all of it or, when that fails, nothing. */
int whpx_emu_store(struct whpx_vcpu *w);

#endif
