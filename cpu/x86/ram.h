/* ram.h - guest memory as the host sees it: every access of the CPU to guest memory is made by one of these functions,
 * and this file alone decides in what units and in which order.
 *
 * The guest's order is x86-TSO (SDM vol. 3, 9.2): a load may pass an older store of its own CPU to another address,
 * nothing else is seen out of order. Other CPUs, other threads and the host's devices use the same bytes at the same
 * time, so an access that is aligned to its size is one access for everybody.
 *
 * - x86 hosts: a plain move is all that. The accesses are volatile, so that a compiler makes each once, whole and in
 *   the order written; unaligned ones are as atomic as the host's, which is as the guest's.
 * - Other hosts: loads acquire and stores release, which keeps load-load, load-store and store-store order; unaligned
 *   ones go in bytes with a fence. These are not one access even inside a cache line, unlike on a P6 and later.
 * - Under the thread sanitizer (any host): the same, and blocks go in atomic parts too.
 *
 * Locked operations are sequentially consistent exchanges of aligned operands; the others' way is x86_lock_alone. */
#ifndef CPU_X86_RAM_H
#define CPU_X86_RAM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define X86_INLINE static inline __attribute__((always_inline))

#if defined(__SANITIZE_THREAD__)
#define X86_RAM_PARTS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define X86_RAM_PARTS 1
#endif
#endif
#if (defined(__x86_64__) || defined(__i386__)) && !defined(X86_RAM_PARTS) && !defined(X86_RAM_ORDERED)
#define X86_RAM_PLAIN 1
#endif

typedef uint16_t __attribute__((may_alias, aligned(1))) x86_ram16;
typedef uint32_t __attribute__((may_alias, aligned(1))) x86_ram32;
typedef uint64_t __attribute__((may_alias, aligned(1))) x86_ram64;

#ifdef X86_RAM_PLAIN
X86_INLINE uint64_t host_get(const uint8_t *p, unsigned size)
{
	switch (size) {
	case 1: return *(const volatile uint8_t *)p;
	case 2: return *(const volatile x86_ram16 *)(const void *)p;
	case 4: return *(const volatile x86_ram32 *)(const void *)p;
	default: return *(const volatile x86_ram64 *)(const void *)p;
	}
}
X86_INLINE void host_put(uint8_t *p, unsigned size, uint64_t v)
{
	switch (size) {
	case 1: *(volatile uint8_t *)p = (uint8_t)v; break;
	case 2: *(volatile x86_ram16 *)(void *)p = (uint16_t)v; break;
	case 4: *(volatile x86_ram32 *)(void *)p = (uint32_t)v; break;
	default: *(volatile x86_ram64 *)(void *)p = v;
	}
}
#else
/* The largest unit in which both the place and what is left are whole. */
X86_INLINE unsigned host_part(const uint8_t *p, unsigned left)
{
	uintptr_t a = (uintptr_t)p;
	return !(a & 7) && left >= 8 ? 8 : !(a & 3) && left >= 4 ? 4 : !(a & 1) && left >= 2 ? 2 : 1;
}
X86_INLINE uint64_t host_get_part(const uint8_t *p, unsigned size, int order)
{
	switch (size) {
	case 1: return __atomic_load_n(p, order);
	case 2: return __atomic_load_n((const uint16_t *)(const void *)p, order);
	case 4: return __atomic_load_n((const uint32_t *)(const void *)p, order);
	default: return __atomic_load_n((const uint64_t *)(const void *)p, order);
	}
}
X86_INLINE void host_put_part(uint8_t *p, unsigned size, uint64_t v, int order)
{
	switch (size) {
	case 1: __atomic_store_n(p, (uint8_t)v, order); break;
	case 2: __atomic_store_n((uint16_t *)(void *)p, (uint16_t)v, order); break;
	case 4: __atomic_store_n((uint32_t *)(void *)p, (uint32_t)v, order); break;
	default: __atomic_store_n((uint64_t *)(void *)p, v, order);
	}
}
static inline void host_get_parts(void *out, const uint8_t *p, unsigned size)
{
	for (unsigned n, at = 0; at < size; at += n) {
		n = host_part(p + at, size - at);
		uint64_t v = host_get_part(p + at, n, __ATOMIC_ACQUIRE);
		memcpy((uint8_t *)out + at, &v, n);
	}
}
static inline void host_put_parts(uint8_t *p, const void *in, unsigned size)
{
	for (unsigned n, at = 0; at < size; at += n) {
		uint64_t v = 0;
		n = host_part(p + at, size - at);
		memcpy(&v, (const uint8_t *)in + at, n);
		host_put_part(p + at, n, v, __ATOMIC_RELEASE);
	}
}
X86_INLINE uint64_t host_get(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;
	if (((uintptr_t)p & (size - 1)) == 0)
		return host_get_part(p, size, __ATOMIC_ACQUIRE);
	host_get_parts(&v, p, size);
	return v;
}
X86_INLINE void host_put(uint8_t *p, unsigned size, uint64_t v)
{
	if (((uintptr_t)p & (size - 1)) == 0)
		host_put_part(p, size, v, __ATOMIC_RELEASE);
	else
		host_put_parts(p, &v, size);
}
#endif

/* Any number of bytes: vectors, images, code. No unit is promised, but aligned 8-byte parts are whole on all hosts. */
#ifdef X86_RAM_PARTS
X86_INLINE void host_read(void *out, const uint8_t *p, unsigned size)
{
	host_get_parts(out, p, size);
}
X86_INLINE void host_write(uint8_t *p, const void *in, unsigned size)
{
	host_put_parts(p, in, size);
}
#else
X86_INLINE void host_order(int order)
{
#ifndef X86_RAM_PLAIN
	__atomic_thread_fence(order);
#else
	(void)order;
#endif
}
X86_INLINE void host_read(void *out, const uint8_t *p, unsigned size)
{
	if (size == 8 || size == 4 || size == 2 || size == 1) {
		uint64_t v = host_get(p, size);
		memcpy(out, &v, size);
		return;
	}
	memcpy(out, p, size);
	host_order(__ATOMIC_ACQUIRE);
}
X86_INLINE void host_write(uint8_t *p, const void *in, unsigned size)
{
	if (size == 8 || size == 4 || size == 2 || size == 1) {
		uint64_t v = 0;
		memcpy(&v, in, size);
		host_put(p, size, v);
		return;
	}
	host_order(__ATOMIC_RELEASE);
	memcpy(p, in, size);
}
#endif

static inline bool host_same(const uint8_t *p, const uint8_t *bytes, unsigned size)
{
#ifdef X86_RAM_PARTS
	bool same = true;
	for (unsigned n, at = 0; at < size && same; at += n) {
		uint8_t now[64];
		n = size - at < sizeof now ? size - at : (unsigned)sizeof now;
		host_get_parts(now, p + at, n);
		same = !memcmp(now, bytes + at, n);
	}
	return same;
#else
	return !memcmp(p, bytes, size);
#endif
}

/* MOVS of n elements upwards: as if one by one. */
static inline void host_copy(uint8_t *to, const uint8_t *from, uint64_t n, unsigned size)
{
#ifndef X86_RAM_PARTS
	if ((uintptr_t)to - (uintptr_t)from >= n * size) { /* else the destination feeds the source */
		host_order(__ATOMIC_RELEASE);
		memmove(to, from, n * size);
		host_order(__ATOMIC_ACQUIRE);
		return;
	}
#endif
	for (uint64_t i = 0; i < n; i++)
		host_put(to + i * size, size, host_get(from + i * size, size));
}
static inline void host_fill(uint8_t *to, uint64_t v, uint64_t n, unsigned size)
{
#ifndef X86_RAM_PARTS
	if (size == 1) {
		host_order(__ATOMIC_RELEASE);
		memset(to, (int)v, n);
		return;
	}
#endif
	for (uint64_t i = 0; i < n; i++)
		host_put(to + i * size, size, v);
}

/* Replace old by v; false: somebody else was faster, *old is what is there. p is aligned to size. */
X86_INLINE bool host_cas(uint8_t *p, unsigned size, uint64_t *old, uint64_t v)
{
	uint8_t o8 = (uint8_t)*old;
	uint16_t o16 = (uint16_t)*old;
	uint32_t o32 = (uint32_t)*old;
	bool ok;
	switch (size) {
	case 1:
		ok = __atomic_compare_exchange_n(p, &o8, (uint8_t)v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		*old = o8;
		return ok;
	case 2:
		ok = __atomic_compare_exchange_n((uint16_t *)(void *)p, &o16, (uint16_t)v, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST);
		*old = o16;
		return ok;
	case 4:
		ok = __atomic_compare_exchange_n((uint32_t *)(void *)p, &o32, (uint32_t)v, false, __ATOMIC_SEQ_CST,
						 __ATOMIC_SEQ_CST);
		*old = o32;
		return ok;
	default:
		return __atomic_compare_exchange_n((uint64_t *)(void *)p, old, v, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST);
	}
}

/* A pair of 8-byte halves; p is aligned to 16. */
static inline bool host_cas16(uint8_t *p, uint64_t old[2], const uint64_t new[2])
{
#if defined(__x86_64__)
	bool ok;
	__asm__ __volatile__("lock cmpxchg16b %1"
			     : "=@ccz"(ok), "+m"(*(uint64_t(*)[2])(void *)p), "+a"(old[0]), "+d"(old[1])
			     : "b"(new[0]), "c"(new[1])
			     : "memory");
	return ok;
#elif defined(__aarch64__)
	/* An exclusive pair, for processors without CASP: what was read is one value only once a store has succeeded, so the
	 * old one is stored when they differ, as CMPXCHG16B does. */
	uint64_t lo, hi, put_lo, put_hi;
	uint32_t lost;
	__asm__ __volatile__("1:	ldaxp	%0, %1, %5\n"
			     "	cmp	%0, %6\n"
			     "	ccmp	%1, %7, #0, eq\n"
			     "	csel	%2, %8, %0, eq\n"
			     "	csel	%3, %9, %1, eq\n"
			     "	stlxp	%w4, %2, %3, %5\n"
			     "	cbnz	%w4, 1b\n"
			     "	dmb	ish"
			     : "=&r"(lo), "=&r"(hi), "=&r"(put_lo), "=&r"(put_hi), "=&r"(lost), "+Q"(*(uint64_t(*)[2])(void *)p)
			     : "r"(old[0]), "r"(old[1]), "r"(new[0]), "r"(new[1])
			     : "cc", "memory");
	bool ok = lo == old[0] && hi == old[1];
	old[0] = lo;
	old[1] = hi;
	return ok;
#else
	unsigned __int128 o = (unsigned __int128)old[1] << 64 | old[0], n = (unsigned __int128)new[1] << 64 | new[0];
	bool ok = __atomic_compare_exchange_n((unsigned __int128 *)(void *)p, &o, n, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST);
	old[0] = (uint64_t)o;
	old[1] = (uint64_t)(o >> 64);
	return ok;
#endif
}

#endif
