/* dev_pm.c - ACPI fixed hardware (ACPI 6.4, 4.8.3): PM1a event block, PM1a control block, PM timer of 32 bits. The
 * machine is always in ACPI mode: SCI_EN reads as 1. */
#include <string.h>

#include "devices.h"

#define STATUS_POWER_BUTTON (1u << 8)
#define STATUS_KNOWN 0x8731u /* TMR, BM, GBL, PWRBTN, SLPBTN, RTC, WAK */
#define ENABLE_KNOWN 0x0721u
#define CONTROL_SCI_EN 1u
#define CONTROL_SLEEP_TYPE(control) ((control) >> 10 & 7)
#define CONTROL_SLEEP_ENABLE (1u << 13)
#define TIMER_HZ 3579545u

static void update(struct pm *pm)
{
	uint8_t level = (pm->state.status & pm->state.enable) != 0;

	if (level == pm->state.level)
		return;
	pm->state.level = level;
	pm->host->irq(pm->host->opaque, PM_SCI, level);
}

/* The product would overflow after 85 minutes if it were taken at once. */
static uint32_t timer_value(const struct pm *pm)
{
	uint64_t ns = clock_ns(pm->host->clock);

	return (uint32_t)(ns / NS_PER_SECOND * TIMER_HZ + ns % NS_PER_SECOND * TIMER_HZ / NS_PER_SECOND);
}

/* Registers as one little-endian block, so that any offset and width works. */
static uint64_t pm_read(void *device, uint64_t offset, unsigned width)
{
	struct pm *pm = device;
	uint64_t low = pm->state.status | (uint64_t)pm->state.enable << 16 |
		       (uint64_t)(pm->state.control | CONTROL_SCI_EN) << 32;

	(void)width;
	if (offset >= PM_TIMER)
		return timer_value(pm) >> 8 * (offset - PM_TIMER);
	return low >> 8 * offset;
}

static void write_byte(struct pm *pm, unsigned offset, uint8_t value)
{
	struct pm_state *s = &pm->state;
	unsigned shift = offset & 1 ? 8 : 0, wide = (unsigned)value << shift, keep = 0xffu << (8 - shift);

	if (offset < 2)
		s->status &= (uint16_t)~wide; /* writing 1 clears */
	else if (offset < PM_CONTROL)
		s->enable = (uint16_t)(((s->enable & keep) | wide) & ENABLE_KNOWN);
	else if (offset < PM_CONTROL + 2)
		s->control = (uint16_t)((s->control & keep) | wide);
}

static int pm_write(void *device, uint64_t offset, unsigned width, uint64_t value)
{
	struct pm *pm = device;

	for (unsigned i = 0; i < width; i++)
		write_byte(pm, (unsigned)offset + i, (uint8_t)(value >> 8 * i));
	if (pm->state.control & CONTROL_SLEEP_ENABLE) {
		pm->state.control &= (uint16_t)~CONTROL_SLEEP_ENABLE; /* always reads as 0 */
		if (CONTROL_SLEEP_TYPE(pm->state.control) == PM_S5_TYPE)
			pm->host->power_off(pm->host->opaque);
	}
	update(pm);
	return 0;
}

void pm_power_button(struct pm *pm)
{
	pm->state.status |= STATUS_POWER_BUTTON;
	update(pm);
}

static void pm_restored(void *device)
{
	struct pm *pm = device;

	pm->state.status &= STATUS_KNOWN;
	pm->host->irq(pm->host->opaque, PM_SCI, pm->state.level);
}

void pm_init(struct pm *pm, const struct device_host *host)
{
	memset(pm, 0, sizeof(*pm));
	pm->host = host;
}

const struct device_ops pm_ops = {.name = "pm",
				  .state_size = sizeof(struct pm_state),
				  .version = 1,
				  .max_width = 4,
				  .read = pm_read,
				  .write = pm_write,
				  .restored = pm_restored};
