/* pit.c - the 8254 interval timer and the system control port 0x61. Mode names are those of Intel's 8254 datasheet
 * (order 231164). Nothing ticks: a counter is its count and the time it was loaded, as in KVM's image. Two
 * simplifications that KVM makes too: a count takes effect when it is written rather than at the next clock, and in
 * modes 2 and 3 at once rather than after the running period. */
#include <string.h>

#include "irq.h"
#include "irq_internal.h"

/* rw_mode 1..3; read_state, write_state, count_latched 1..4 */
enum { RW_LSB = 1, RW_MSB = 2, RW_WORD0 = 3, RW_WORD1 = 4 };
enum {
	UNPROGRAMMED = 0xff, /* mode after RESET, as KVM has it */
	STATUS_DONE = 1 << 7, /* see unlatched_status */
	STATUS_NULL_COUNT = 1 << 6,
	FLAG_HPET_LEGACY = 1 << 0, /* the HPET drives IRQ 0 instead */
	FLAG_SPEAKER = 1 << 1,
	PORT61_GATE2 = 1 << 0,
	PORT61_SPEAKER = 1 << 1,
	PORT61_REFRESH = 1 << 4,
	PORT61_OUT2 = 1 << 5,
};
#define NS_PER_S 1000000000u
#define REFRESH_NS 15085 /* DRAM refresh: the bit toggles each time */

static uint64_t clocks_in(uint64_t ns)
{
	return irq_muldiv(ns, IRQ_PIT_HZ, NS_PER_S, 0);
}

/* The first ns at which so many clocks are over. */
static uint64_t ns_of(uint64_t clocks)
{
	return irq_muldiv(clocks, NS_PER_S, IRQ_PIT_HZ, 1);
}

static int gate_triggers(unsigned mode)
{
	return mode == 1 || mode == 5;
}

static int periodic(unsigned mode)
{
	return mode == 2 || mode == 3;
}

static int running(const struct irq_pit_channel *ch)
{
	return ch->c.mode <= 5 && ch->loaded && (!gate_triggers(ch->c.mode) || ch->armed);
}

/* Clocks since the count was loaded. */
static uint64_t elapsed(const struct irq_pit_channel *ch, uint64_t now)
{
	int64_t t = (int64_t)(now - (uint64_t)ch->c.count_load_time);

	if (!running(ch))
		return 0;
	if (!ch->c.gate && !gate_triggers(ch->c.mode))
		return ch->frozen;
	return t > 0 ? clocks_in((uint64_t)t) : 0;
}

/* The clock after `d` at which OUT rises next; 0: never. */
static uint64_t next_rise(const struct irq_pit_channel *ch, uint64_t d)
{
	uint64_t n = ch->c.count;

	if (!running(ch))
		return 0;
	if (periodic(ch->c.mode))
		return ch->c.gate ? (d / n + 1) * n : 0;
	if (ch->c.mode == 4 || ch->c.mode == 5)
		n++;
	return d < n ? n : 0;
}

static int out(const struct irq_pit_channel *ch, uint64_t now)
{
	uint64_t n = ch->c.count;
	uint64_t d = elapsed(ch, now);

	if (!running(ch))
		return ch->c.mode != 0;
	switch (ch->c.mode) {
	case 0: /* interrupt on terminal count */
	case 1: /* hardware retriggerable one-shot */
		return d >= n;
	case 2: /* rate generator */
		return !ch->c.gate || d % n != n - 1;
	case 3: /* square wave; an odd count is high one clock longer */
		return !ch->c.gate || d % n < (n + 1) / 2;
	default: /* 4 software, 5 hardware triggered strobe */
		return d != n;
	}
}

/* What the counting element shows, in binary. */
static uint32_t counter(const struct irq_pit_channel *ch, uint64_t now)
{
	uint64_t n = ch->c.count;
	uint64_t d = elapsed(ch, now);
	uint64_t wrap = ch->c.bcd ? 10000 : 0x10000;

	if (ch->c.mode == 2)
		return (uint32_t)(n - d % n);
	if (ch->c.mode == 3) { /* counts by two, from an even number, twice a period */
		uint64_t high = (n + 1) / 2;
		uint64_t at = d % n < high ? d % n : d % n - high;

		return (uint32_t)((n & ~1ull) - 2 * at);
	}
	return (uint32_t)((n + wrap - d % wrap) % wrap);
}

static uint16_t to_bcd(uint32_t v)
{
	return (uint16_t)(v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

static uint32_t from_bcd(uint32_t v)
{
	return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static uint16_t count_bits(const struct irq_pit_channel *ch, uint64_t now)
{
	uint32_t v = counter(ch, now);

	return ch->c.bcd ? to_bcd(v) : (uint16_t)v;
}

static uint8_t status_bits(const struct irq_pit_channel *ch, int bit7)
{
	unsigned null_count = ch->c.mode <= 5 && !ch->loaded;

	return (uint8_t)((bit7 ? 0x80 : 0) | null_count << 6 | (ch->c.rw_mode & 3) << 4 | (ch->c.mode & 7) << 1 |
			 ch->c.bcd);
}

static void start(struct irq_pit_channel *ch, uint64_t now)
{
	ch->c.count_load_time = (int64_t)now;
	ch->frozen = ch->seen = 0;
}

static void load(struct irq_pit_channel *ch, uint32_t value, uint64_t now)
{
	if (ch->c.bcd)
		value = from_bcd(value);
	ch->c.count = value ? value : ch->c.bcd ? 10000 : 0x10000;
	ch->loaded = 1;
	if (!gate_triggers(ch->c.mode))
		start(ch, now);
}

static void set_gate(struct irq_pit_channel *ch, uint8_t gate, uint64_t now)
{
	if (gate == ch->c.gate)
		return;
	if (!gate) {
		ch->frozen = elapsed(ch, now);
	} else if (gate_triggers(ch->c.mode) || periodic(ch->c.mode)) {
		start(ch, now);
		ch->armed = ch->loaded;
	} else {
		ch->c.count_load_time = (int64_t)(now - ns_of(ch->frozen));
	}
	ch->c.gate = gate;
}

void irq_pit_reset(struct irq_pit *pit, uint64_t now)
{
	memset(pit, 0, sizeof *pit);
	for (unsigned i = 0; i < 3; i++) {
		pit->ch[i].c.mode = UNPROGRAMMED;
		pit->ch[i].c.gate = i != 2;
		pit->ch[i].c.count = 0x10000;
		start(&pit->ch[i], now);
	}
}

static void latch_count(struct irq_pit_channel *ch, uint64_t now)
{
	if (ch->c.count_latched)
		return; /* the first latch holds until it is read */
	ch->c.latched_count = count_bits(ch, now);
	ch->c.count_latched = ch->c.rw_mode;
}

static void latch_status(struct irq_pit_channel *ch, uint64_t now)
{
	if (ch->c.status_latched)
		return;
	ch->c.status = status_bits(ch, out(ch, now));
	ch->c.status_latched = 1;
}

static void read_back(struct irq_pit *pit, uint8_t value, uint64_t now)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!(value & 2u << i))
			continue;
		if (!(value & 0x20))
			latch_count(&pit->ch[i], now);
		if (!(value & 0x10))
			latch_status(&pit->ch[i], now);
	}
}

static void write_control(struct irq_pit *pit, uint8_t value, uint64_t now)
{
	unsigned mode = value >> 1 & 7;
	unsigned rw = value >> 4 & 3;
	struct irq_pit_channel *ch;

	if (value >> 6 == 3) {
		read_back(pit, value, now);
		return;
	}
	ch = &pit->ch[value >> 6];
	if (!rw) {
		latch_count(ch, now);
		return;
	}
	ch->c.mode = (uint8_t)(mode > 5 ? mode - 4 : mode);
	ch->c.rw_mode = ch->c.read_state = ch->c.write_state = (uint8_t)rw;
	ch->c.bcd = value & 1;
	ch->c.count_latched = ch->c.status_latched = 0;
	ch->loaded = ch->armed = 0;
	start(ch, now);
}

static void write_count(struct irq_pit_channel *ch, uint8_t value, uint64_t now)
{
	switch (ch->c.write_state) {
	case RW_MSB:
		load(ch, (uint32_t)value << 8, now);
		break;
	case RW_WORD0:
		ch->c.write_latch = value;
		ch->c.write_state = RW_WORD1;
		if (ch->c.mode == 0)
			ch->loaded = 0; /* the first byte stops the counting */
		break;
	case RW_WORD1:
		ch->c.write_state = RW_WORD0;
		load(ch, ch->c.write_latch | (uint32_t)value << 8, now);
		break;
	default:
		load(ch, value, now);
	}
}

static uint8_t read_latched(struct irq_pit_channel *ch)
{
	uint8_t state = ch->c.count_latched;

	ch->c.count_latched = state == RW_WORD0 ? RW_MSB : 0;
	return (uint8_t)(state == RW_MSB ? ch->c.latched_count >> 8 : ch->c.latched_count);
}

static uint8_t read_count(struct irq_pit_channel *ch, uint64_t now)
{
	uint16_t v = count_bits(ch, now);
	uint8_t state = ch->c.read_state;

	if (state == RW_WORD0)
		ch->c.read_state = RW_WORD1;
	else if (state == RW_WORD1)
		ch->c.read_state = RW_WORD0;
	return (uint8_t)(state == RW_MSB || state == RW_WORD1 ? v >> 8 : v);
}

static uint8_t read_port61(const struct irq_pit *pit, uint64_t now)
{
	uint8_t v = pit->ch[2].c.gate ? PORT61_GATE2 : 0;

	if (pit->flags & FLAG_SPEAKER)
		v |= PORT61_SPEAKER;
	if (now / REFRESH_NS & 1)
		v |= PORT61_REFRESH;
	if (out(&pit->ch[2], now))
		v |= PORT61_OUT2;
	return v;
}

uint8_t irq_pit_read(struct irq_pit *pit, uint16_t port, uint64_t now)
{
	struct irq_pit_channel *ch = &pit->ch[port & 3];

	if (port == 0x61)
		return read_port61(pit, now);
	if (port == 0x43)
		return 0xff; /* write only */
	if (ch->c.status_latched) {
		ch->c.status_latched = 0;
		return ch->c.status;
	}
	if (ch->c.count_latched)
		return read_latched(ch);
	return read_count(ch, now);
}

void irq_pit_write(struct irq_pit *pit, uint16_t port, uint8_t value, uint64_t now)
{
	if (port == 0x61) {
		set_gate(&pit->ch[2], value & PORT61_GATE2, now);
		pit->flags = (pit->flags & ~(uint32_t)FLAG_SPEAKER) | (value & PORT61_SPEAKER ? FLAG_SPEAKER : 0);
	} else if (port == 0x43) {
		write_control(pit, value, now);
	} else {
		write_count(&pit->ch[port & 3], value, now);
	}
}

int irq_pit_out(const struct irq_pit *pit, unsigned channel, uint64_t now)
{
	return out(&pit->ch[channel], now);
}

uint64_t irq_pit_deadline(const struct irq_pit *pit)
{
	const struct irq_pit_channel *ch = &pit->ch[0];
	uint64_t rise = pit->flags & FLAG_HPET_LEGACY ? 0 : next_rise(ch, ch->seen);

	return rise ? (uint64_t)ch->c.count_load_time + ns_of(rise) : IRQ_NEVER;
}

int irq_pit_tick(struct irq_pit *pit, uint64_t now)
{
	struct irq_pit_channel *ch = &pit->ch[0];
	uint64_t d = elapsed(ch, now);
	uint64_t rise = next_rise(ch, ch->seen);
	int rose = rise && rise <= d && !(pit->flags & FLAG_HPET_LEGACY);

	ch->seen = d;
	return rose;
}

/* The image cannot tell whether a count is loaded and whether the rise of OUT has been reported, and its status byte
 * means nothing while no status is latched. So we keep the null-count bit there, and in bit 7: one-shot modes, no
 * rise is to come; periodic modes, none is owed. KVM's images have 0 in both: loaded, and at worst one interrupt too
 * many. */
static uint8_t unlatched_status(const struct irq_pit_channel *ch, uint64_t now)
{
	uint64_t rise = next_rise(ch, ch->seen);

	return status_bits(ch, !rise || (periodic(ch->c.mode) && rise > elapsed(ch, now)));
}

void irq_pit_get(const struct irq_pit *pit, uint64_t now, vma_x86_pit *image)
{
	memset(image, 0, sizeof *image);
	image->flags = pit->flags;
	for (unsigned i = 0; i < 3; i++) {
		const struct irq_pit_channel *ch = &pit->ch[i];
		vma_x86_pit_channel *c = &image->channels[i];

		*c = ch->c;
		if (!c->status_latched)
			c->status = unlatched_status(ch, now);
		if (gate_triggers(c->mode) && !ch->armed)
			c->count_load_time = 0;
		else if (!c->gate && !gate_triggers(c->mode))
			c->count_load_time = (int64_t)(now - ns_of(ch->frozen));
	}
}

static int channel_valid(const vma_x86_pit_channel *c)
{
	return c->count <= 0x10000 && (c->mode <= 5 || c->mode == UNPROGRAMMED) && c->rw_mode <= 3 &&
	       c->read_state <= 4 && c->write_state <= 4 && c->count_latched <= 4 && c->bcd <= 1 && c->gate <= 1;
}

static void set_channel(struct irq_pit_channel *ch, const vma_x86_pit_channel *image, uint64_t now)
{
	uint64_t d, rise;

	memset(ch, 0, sizeof *ch);
	ch->c = *image;
	if (!ch->c.count)
		ch->c.count = 0x10000;
	ch->loaded = ch->c.mode <= 5 && (ch->c.status_latched || !(ch->c.status & STATUS_NULL_COUNT));
	ch->armed = gate_triggers(ch->c.mode) && ch->c.count_load_time;
	if (ch->c.count_load_time > (int64_t)now)
		ch->c.count_load_time = (int64_t)now; /* another clock */
	ch->frozen = clocks_in(now - (uint64_t)ch->c.count_load_time);
	d = elapsed(ch, now);
	ch->seen = d;
	if (ch->c.status & STATUS_DONE)
		return;
	rise = periodic(ch->c.mode) ? d / ch->c.count * ch->c.count : next_rise(ch, 0);
	if (rise && rise <= d)
		ch->seen = rise - 1;
}

int irq_pit_set(struct irq_pit *pit, uint64_t now, const vma_x86_pit *image)
{
	for (unsigned i = 0; i < 3; i++)
		if (!channel_valid(&image->channels[i]))
			return -1;
	pit->flags = image->flags & (FLAG_HPET_LEGACY | FLAG_SPEAKER);
	for (unsigned i = 0; i < 3; i++)
		set_channel(&pit->ch[i], &image->channels[i], now);
	return 0;
}
