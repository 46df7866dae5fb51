/* dev_pl031.c - Arm's PL031 real-time clock (DDI 0224): seconds since 1970 and a match register that interrupts. */
#include <string.h>

#include "devices.h"

enum { REG_DR = 0, REG_MR = 4, REG_LR = 8, REG_CR = 0xc, REG_IMSC = 0x10, REG_RIS = 0x14, REG_MIS = 0x18, REG_ICR = 0x1c,
       REG_ID = 0xfe0 };

static uint32_t seconds(const struct pl031 *rtc)
{
	return (uint32_t)(clock_realtime(rtc->host->clock) / (int64_t)NS_PER_SECOND) + rtc->state.offset;
}

static void update(struct pl031 *rtc)
{
	uint8_t level = rtc->state.raw & rtc->state.mask;

	if (level == rtc->state.level)
		return;
	rtc->state.level = level;
	rtc->host->irq(rtc->host->opaque, rtc->gsi, level);
}

/* The counter wraps, so every match lies ahead. */
static void arm(struct pl031 *rtc)
{
	int64_t now = clock_realtime(rtc->host->clock);
	uint64_t into = (uint64_t)(now % (int64_t)NS_PER_SECOND);
	uint32_t left = rtc->state.match - seconds(rtc);

	if (!left) {
		rtc->state.raw = 1;
		update(rtc);
		return;
	}
	timer_set(rtc->host->clock, &rtc->timer, clock_ns(rtc->host->clock) + (uint64_t)left * NS_PER_SECOND - into);
}

static void fired(void *device)
{
	struct pl031 *rtc = device;

	rtc->state.raw = 1;
	update(rtc);
}

static uint64_t pl031_read(void *device, uint64_t offset, unsigned width)
{
	static const uint8_t id[8] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
	struct pl031 *rtc = device;

	(void)width;
	if (offset >= REG_ID)
		return offset & 3 ? 0 : id[(offset - REG_ID) / 4 & 7];
	switch (offset) {
	case REG_DR:
		return seconds(rtc);
	case REG_MR:
		return rtc->state.match;
	case REG_LR:
		return rtc->state.load;
	case REG_CR:
		return 1; /* once started it runs */
	case REG_IMSC:
		return rtc->state.mask;
	case REG_RIS:
		return rtc->state.raw;
	case REG_MIS:
		return rtc->state.raw & rtc->state.mask;
	default:
		return 0;
	}
}

static int pl031_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct pl031 *rtc = device;

	(void)width;
	switch (offset) {
	case REG_MR:
		rtc->state.match = (uint32_t)value;
		arm(rtc);
		break;
	case REG_LR:
		rtc->state.load = (uint32_t)value;
		rtc->state.offset += (uint32_t)value - seconds(rtc);
		arm(rtc);
		break;
	case REG_IMSC:
		rtc->state.mask = value & 1;
		break;
	case REG_ICR:
		rtc->state.raw &= !(value & 1);
		break;
	}
	update(rtc);
	return 0;
}

static void pl031_restored(void *device)
{
	struct pl031 *rtc = device;

	rtc->host->irq(rtc->host->opaque, rtc->gsi, rtc->state.level);
	arm(rtc);
}

void pl031_init(struct pl031 *rtc, const struct device_host *host, unsigned gsi)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->host = host;
	rtc->gsi = gsi;
	timer_add(host->clock, &rtc->timer, fired, rtc);
}

const struct device_ops pl031_ops = {.name = "pl031",
				     .state_size = sizeof(struct pl031_state),
				     .version = 1,
				     .max_width = 4,
				     .read = pl031_read,
				     .write = pl031_write,
				     .restored = pl031_restored};
