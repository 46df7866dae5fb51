/* format.h - saved state as bytes: a header, then typed elements (docs/vcpu.md). Everything is little-endian. */
#ifndef VMA_FORMAT_H
#define VMA_FORMAT_H

#include "core/internal.h"

enum vma_element {
	VMA_EL_MODEL = 1, /* u32 physical address bits, u32 n, n times u32 leaf, subleaf, register, bits */
	VMA_EL_GPRS = 2,  /* registers: u64 each in the list's order, as the next four */
	VMA_EL_SEGS = 3,
	VMA_EL_TABLES = 4,
	VMA_EL_CONTROLS = 5,
	VMA_EL_DEBUGS = 6,
	VMA_EL_XCR0 = 7,   /* u64 */
	VMA_EL_XSAVE = 8,  /* the standard image */
	VMA_EL_EVENTS = 9, /* see events_out */
	VMA_EL_MP = 10,    /* u32 */
	VMA_EL_LAPIC = 11, /* 0x400 bytes */
	VMA_EL_MSRS = 12,  /* u32 index, u32 0, u64 value each */
	VMA_EL_MSRS_TIME = 13,
	VMA_EL_INSNS = 14, /* u64 each, as struct vma_insn_state; of a VM with insn_hz, time-like */
	/* arm64. GPRS, EVENTS (save_arm64.c) and MP are as above */
	VMA_EL_FP = 15,           /* 32 times 16 bytes, u32 FPCR, FPSR */
	VMA_EL_SYSREGS = 16,      /* u32 id, u32 0, u64 value each */
	VMA_EL_SYSREGS_TIME = 17,
	VMA_EL_ID_SYSREGS = 18,
	VMA_EL_SVE = 19, /* u32 n: bytes of a vector, u32 0, 32 times n bytes Z, 16 times n / 8 P, n / 8 FFR */
	VMA_EL_TSC = 20, /* u64: Hz of the TSC among MSRS_TIME */
	VMA_EL_PICS = 32, /* of a VM */
	VMA_EL_IOAPIC = 33,
	VMA_EL_PIT = 34,
	VMA_EL_CLOCK = 35,
	VMA_EL_GIC = 36, /* see save_gic.c */
};
const char *vma_element_name(uint32_t id);

enum { VMA_FORMAT_VERSION = 1, VMA_FORMAT_VCPU = 1, VMA_FORMAT_VM = 2, VMA_ELEMENT_REQUIRED = 1 };

/* ------ writing: counts on when the room has ended, so that one pass tells the size ------ */
struct vma_writer {
	uint8_t *buf;
	size_t room, at, element; /* element: where the open one's header lies */
	uint32_t count;
};
void vma_w_begin(struct vma_writer *w, void *buf, size_t room);
void vma_w_open(struct vma_writer *w, uint32_t id, uint16_t flags);
void vma_w_u32(struct vma_writer *w, uint32_t value);
void vma_w_u64(struct vma_writer *w, uint64_t value);
void vma_w_bytes(struct vma_writer *w, const void *p, size_t n);
void vma_w_close(struct vma_writer *w);
/* Write the header. *size in: room, out: length. */
int vma_w_end(struct vma_writer *w, vma_arch arch, uint32_t kind, void *buf, size_t *size);

/* ------ reading: nothing is believed ------ */
struct vma_reader {
	const uint8_t *buf;
	size_t size, at;
	uint32_t left; /* elements not yet read */
	/* the current element */
	uint32_t id, length;
	uint16_t version, flags;
	const uint8_t *payload;
};
int vma_r_begin(struct vma_reader *r, vma_arch arch, uint32_t kind, const void *buf, size_t size);
/* 1: an element, 0: the end, or an error. */
int vma_r_next(struct vma_reader *r);
uint32_t vma_r_u32(const struct vma_reader *r, size_t at);
uint64_t vma_r_u64(const struct vma_reader *r, size_t at);
/* VMA_E_FORMAT with the element's name and what is wrong. */
int vma_r_bad(const struct vma_reader *r, const char *what);
/* An element that is not known here, or in a newer version: reported and skipped if optional, else VMA_E_VERSION. */
int vma_r_unknown(const struct vma_reader *r, const vma_report *report);
void vma_report_line(const vma_report *report, uint32_t id, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* save_gic.c: the GIC of an arm64 VM. Caller holds vm->lock; check: before anything is written. */
int vma_gic_save(struct vma_writer *w, vma_vm *vm);
int vma_gic_check(vma_vm *vm, const struct vma_reader *r);
int vma_gic_restore(vma_vm *vm, const struct vma_reader *r, const vma_report *report);

#endif
