/* dev_rtc.c - the clock of a PC (Motorola MC146818A data sheet; MC146818 registers as IBM's AT placed them) with its
 * alarm, update and periodic interrupts. The time is the host's plus an offset, so nothing runs while no interrupt is
 * asked for. */
#include <string.h>

#include "devices.h"

enum {
	REG_SECOND = 0,
	REG_SECOND_ALARM = 1,
	REG_MINUTE = 2,
	REG_MINUTE_ALARM = 3,
	REG_HOUR = 4,
	REG_HOUR_ALARM = 5,
	REG_WEEKDAY = 6,
	REG_DAY = 7,
	REG_MONTH = 8,
	REG_YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
	REG_CENTURY = 0x32
};
enum { A_UIP = 0x80, A_RATE = 0x0f };
enum { B_SET = 0x80, B_PERIODIC = 0x40, B_ALARM = 0x20, B_UPDATE = 0x10, B_BINARY = 4, B_24H = 2 };
enum { C_IRQ = 0x80 };
enum { D_VALID = 0x80 };
#define A_RESET 0x26 /* 32.768 kHz, 1024 Hz */
#define HOUR_PM 0x80
#define ALARM_ANY 0xc0    /* 0xc0 to 0xff: any value matches */
#define UPDATE_NS 2228000 /* UIP is up for 244 us before and 1984 us during an update */

struct moment {
	int second, minute, hour, weekday, day, month, year; /* weekday 1: Sunday; month 1 .. 12; year in full */
};

/* Days since 1970-01-01 and back, proleptic Gregorian, by 400-year eras that begin on 1 March. */
static int64_t days_from(int64_t year, int month, int day)
{
	int64_t era, y = year - (month <= 2);
	int day_of_year, year_of_era;

	era = (y >= 0 ? y : y - 399) / 400;
	year_of_era = (int)(y - era * 400);
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void moment_from(int64_t seconds, struct moment *m)
{
	int64_t days = seconds / 86400 - (seconds % 86400 < 0), rest = seconds - days * 86400, z = days + 719468, era;
	int of_era, year_of_era, of_year, month;

	era = (z >= 0 ? z : z - 146096) / 146097;
	of_era = (int)(z - era * 146097);
	year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * of_year + 2) / 153;
	m->day = of_year - (153 * month + 2) / 5 + 1;
	m->month = month < 10 ? month + 3 : month - 9;
	m->year = (int)(year_of_era + era * 400 + (m->month <= 2));
	m->weekday = (int)(((days % 7) + 7 + 4) % 7) + 1;
	m->hour = (int)(rest / 3600);
	m->minute = (int)(rest / 60 % 60);
	m->second = (int)(rest % 60);
}

static uint8_t encode(const struct rtc_state *s, int value)
{
	return (uint8_t)(s->ram[REG_B] & B_BINARY ? value : (value / 10 % 10) << 4 | value % 10);
}

static int decode(const struct rtc_state *s, uint8_t value)
{
	return s->ram[REG_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct rtc_state *s, int hour)
{
	if (s->ram[REG_B] & B_24H)
		return encode(s, hour);
	return encode(s, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int decode_hour(const struct rtc_state *s, uint8_t value)
{
	if (s->ram[REG_B] & B_24H)
		return decode(s, value);
	return decode(s, value & ~HOUR_PM) % 12 + (value & HOUR_PM ? 12 : 0);
}

static int64_t guest_ns(const struct rtc *rtc)
{
	return clock_realtime(rtc->host->clock) + rtc->state.offset * (int64_t)NS_PER_SECOND;
}

static int64_t guest_second(const struct rtc *rtc)
{
	int64_t ns = guest_ns(rtc), second = ns / (int64_t)NS_PER_SECOND;

	return second - (ns % (int64_t)NS_PER_SECOND < 0);
}

static void show_time(struct rtc *rtc, int64_t second)
{
	struct rtc_state *s = &rtc->state;
	struct moment m;

	moment_from(second, &m);
	s->ram[REG_SECOND] = encode(s, m.second);
	s->ram[REG_MINUTE] = encode(s, m.minute);
	s->ram[REG_HOUR] = encode_hour(s, m.hour);
	s->ram[REG_WEEKDAY] = encode(s, m.weekday);
	s->ram[REG_DAY] = encode(s, m.day);
	s->ram[REG_MONTH] = encode(s, m.month);
	s->ram[REG_YEAR] = encode(s, m.year % 100);
	s->ram[REG_CENTURY] = encode(s, m.year / 100);
}

/* Make the registers the time from now on. A guest may write nonsense: out-of-range fields carry over. */
static void take_time(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;
	int year = decode(s, s->ram[REG_CENTURY]) * 100 + decode(s, s->ram[REG_YEAR]);
	int month = decode(s, s->ram[REG_MONTH]);
	int64_t days = days_from(year, month < 1 || month > 12 ? 1 : month, decode(s, s->ram[REG_DAY]));
	int64_t second = days * 86400 + decode_hour(s, s->ram[REG_HOUR]) * 3600 + decode(s, s->ram[REG_MINUTE]) * 60 +
			 decode(s, s->ram[REG_SECOND]);

	s->offset += second - guest_second(rtc);
	s->last_update = second;
}

static void update_line(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;
	uint8_t level = (s->flags_pending & s->ram[REG_B] & (B_PERIODIC | B_ALARM | B_UPDATE)) != 0;

	if (level == s->level)
		return;
	s->level = level;
	rtc->host->irq(rtc->host->opaque, rtc->gsi, level);
}

static uint64_t period_ns(const struct rtc_state *s)
{
	unsigned rate = s->ram[REG_A] & A_RATE;

	if (!rate)
		return 0;
	return (NS_PER_SECOND << ((rate < 3 ? rate + 7 : rate) - 1)) >> 15; /* 1 and 2 are 8 and 9 at 32.768 kHz */
}

/* When the next interrupt is due: the next second for alarm and update, the next period. */
static void plan(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;
	uint64_t now = clock_ns(rtc->host->clock), next = UINT64_MAX, period = period_ns(s);

	if ((s->ram[REG_B] & (B_ALARM | B_UPDATE)) && !(s->ram[REG_B] & B_SET)) {
		int64_t into = guest_ns(rtc) % (int64_t)NS_PER_SECOND;

		next = now + NS_PER_SECOND - (uint64_t)(into < 0 ? into + (int64_t)NS_PER_SECOND : into);
	}
	if ((s->ram[REG_B] & B_PERIODIC) && period) {
		if (s->next_periodic <= now || s->next_periodic - now > period)
			s->next_periodic = now + period;
		if (s->next_periodic < next)
			next = s->next_periodic;
	}
	if (next == UINT64_MAX)
		timer_stop(&rtc->timer);
	else
		timer_set(rtc->host->clock, &rtc->timer, next);
}

static int alarm_matches(const struct rtc_state *s)
{
	static const uint8_t pairs[][2] = {
		{REG_SECOND, REG_SECOND_ALARM}, {REG_MINUTE, REG_MINUTE_ALARM}, {REG_HOUR, REG_HOUR_ALARM}};

	for (unsigned i = 0; i < 3; i++) {
		uint8_t alarm = s->ram[pairs[i][1]];

		if (alarm < ALARM_ANY && alarm != s->ram[pairs[i][0]])
			return 0;
	}
	return 1;
}

/* Every second since the last look is an update; the alarm is looked up for each, for a host that slept (a day at
 * most). */
static void catch_up(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;
	int64_t now = guest_second(rtc);

	if (s->ram[REG_B] & B_SET)
		return;
	if (now - s->last_update > 86400 || now < s->last_update)
		s->last_update = now - 1;
	for (; s->last_update < now; s->last_update++) {
		s->flags_pending |= B_UPDATE;
		if (s->flags_pending & B_ALARM)
			continue;
		show_time(rtc, s->last_update + 1);
		if (alarm_matches(s))
			s->flags_pending |= B_ALARM;
	}
}

static void rtc_fired(void *device)
{
	struct rtc *rtc = device;
	struct rtc_state *s = &rtc->state;

	if ((s->ram[REG_B] & B_PERIODIC) && clock_ns(rtc->host->clock) >= s->next_periodic)
		s->flags_pending |= B_PERIODIC;
	catch_up(rtc);
	update_line(rtc);
	plan(rtc);
}

static uint8_t read_flags(struct rtc *rtc)
{
	struct rtc_state *s = &rtc->state;
	uint8_t value;

	catch_up(rtc);
	value = s->flags_pending | (s->flags_pending & s->ram[REG_B] ? C_IRQ : 0);
	s->flags_pending = 0;
	update_line(rtc);
	return value;
}

static uint8_t read_a(const struct rtc *rtc)
{
	int64_t into = guest_ns(rtc) % (int64_t)NS_PER_SECOND;
	int updating = into >= (int64_t)NS_PER_SECOND - UPDATE_NS && !(rtc->state.ram[REG_B] & B_SET);

	return (rtc->state.ram[REG_A] & ~A_UIP) | (updating ? A_UIP : 0);
}

static int is_time(unsigned reg)
{
	return reg == REG_SECOND || reg == REG_MINUTE || reg == REG_HOUR || (reg >= REG_WEEKDAY && reg <= REG_YEAR) ||
	       reg == REG_CENTURY;
}

static uint64_t rtc_read(void *device, uint64_t offset, unsigned width)
{
	struct rtc *rtc = device;
	struct rtc_state *s = &rtc->state;

	(void)width;
	if (offset == 0)
		return 0xff; /* the index cannot be read back */
	if (s->index == REG_A)
		return read_a(rtc);
	if (s->index == REG_C)
		return read_flags(rtc);
	if (s->index == REG_D)
		return D_VALID;
	if (is_time(s->index) && !(s->ram[REG_B] & B_SET))
		show_time(rtc, guest_second(rtc));
	return s->ram[s->index];
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	struct rtc_state *s = &rtc->state;
	uint8_t before = s->ram[REG_B];

	if ((value & B_SET) && !(before & B_SET))
		show_time(rtc, guest_second(rtc));
	if (!(value & B_SET) && (before & B_SET))
		take_time(rtc);
	s->ram[REG_B] = value;
	if (!(before & (B_ALARM | B_UPDATE)))
		s->last_update = guest_second(rtc);
	update_line(rtc);
	plan(rtc);
}

static void write_time(struct rtc *rtc, uint8_t reg, uint8_t value)
{
	struct rtc_state *s = &rtc->state;

	if (!(s->ram[REG_B] & B_SET))
		show_time(rtc, guest_second(rtc));
	s->ram[reg] = value;
	if (!(s->ram[REG_B] & B_SET)) {
		take_time(rtc);
		plan(rtc);
	}
}

static int rtc_write(void *device, uint64_t offset, unsigned width, uint64_t wide)
{
	struct rtc *rtc = device;
	struct rtc_state *s = &rtc->state;
	uint8_t value = (uint8_t)wide;

	(void)width;
	if (offset == 0) {
		s->index = value & 0x7f; /* bit 7 masks the NMI, which nothing raises here */
	} else if (s->index == REG_B) {
		write_b(rtc, value);
	} else if (is_time(s->index)) {
		write_time(rtc, s->index, value);
	} else if (s->index != REG_C && s->index != REG_D) {
		s->ram[s->index] = s->index == REG_A ? value & ~A_UIP : value;
		if (s->index == REG_A)
			plan(rtc);
	}
	return 0;
}

static void rtc_restored(void *device)
{
	struct rtc *rtc = device;

	rtc->state.index &= 0x7f;
	rtc->host->irq(rtc->host->opaque, rtc->gsi, rtc->state.level);
	plan(rtc);
}

/* Memory sizes where firmware would have put them: KiB below 640 KiB, KiB from 1 MiB (at most 63 MiB), 64-KiB units
 * from 16 MiB, and above 4 GiB. */
static void store_sizes(struct rtc_state *s, uint64_t low, uint64_t high)
{
	uint64_t above_1m = low > 0x100000 ? (low - 0x100000) >> 10 : 0;
	uint64_t above_16m = low > 0x1000000 ? (low - 0x1000000) >> 16 : 0;

	above_1m = above_1m > 0xfc00 ? 0xfc00 : above_1m;
	above_16m = above_16m > 0xffff ? 0xffff : above_16m;
	s->ram[0x15] = 640 & 0xff;
	s->ram[0x16] = 640 >> 8;
	s->ram[0x17] = s->ram[0x30] = (uint8_t)above_1m;
	s->ram[0x18] = s->ram[0x31] = (uint8_t)(above_1m >> 8);
	s->ram[0x34] = (uint8_t)above_16m;
	s->ram[0x35] = (uint8_t)(above_16m >> 8);
	s->ram[0x5b] = (uint8_t)(high >> 16);
	s->ram[0x5c] = (uint8_t)(high >> 24);
	s->ram[0x5d] = (uint8_t)(high >> 32);
}

void rtc_init(struct rtc *rtc, const struct device_host *host, unsigned gsi, uint64_t mem_low, uint64_t mem_high)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->host = host;
	rtc->gsi = gsi;
	rtc->state.ram[REG_A] = A_RESET;
	rtc->state.ram[REG_B] = B_24H;
	store_sizes(&rtc->state, mem_low, mem_high);
	rtc->state.last_update = guest_second(rtc);
	timer_add(host->clock, &rtc->timer, rtc_fired, rtc);
}

const struct device_ops rtc_ops = {.name = "rtc",
				   .state_size = sizeof(struct rtc_state),
				   .version = 1,
				   .max_width = 1,
				   .read = rtc_read,
				   .write = rtc_write,
				   .restored = rtc_restored};
