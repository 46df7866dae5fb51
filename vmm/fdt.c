/* fdt.c - the device tree of the arm64 machine (Devicetree Specification 0.4, and the bindings of Linux that each node names). */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libfdt.h>

#include "arm64.h"

enum { PHANDLE_GIC = 1, PHANDLE_CLOCK = 2, PHANDLE_MSI = 3 };
enum { IRQ_SPI = 0, IRQ_PPI = 1, IRQ_LEVEL_HIGH = 4 }; /* arm,gic-v3.yaml */
enum { UART_HZ = 24000000 };

struct tree {
	void *fdt;
	int failed; /* the first error of libfdt, kept so that calls need no checks between */
};

static void note(struct tree *t, int result)
{
	if (!t->failed && result < 0)
		t->failed = result;
}

static void __attribute__((format(printf, 2, 3))) begin(struct tree *t, const char *format, ...)
{
	char name[64];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	note(t, fdt_begin_node(t->fdt, name));
}

static void end(struct tree *t)
{
	note(t, fdt_end_node(t->fdt));
}

static void flag(struct tree *t, const char *name)
{
	note(t, fdt_property(t->fdt, name, NULL, 0));
}

static void text(struct tree *t, const char *name, const char *value)
{
	note(t, fdt_property_string(t->fdt, name, value));
}

/* Several strings, each with its NUL: "a\0b". */
#define TEXTS(t, name, value) note(t, fdt_property((t)->fdt, name, value, sizeof(value)))

static void cells(struct tree *t, const char *name, const uint32_t *values, unsigned count)
{
	uint32_t out[16]; /* big endian */

	for (unsigned i = 0; i < count; i++)
		out[i] = cpu_to_fdt32(values[i]);
	note(t, fdt_property(t->fdt, name, out, (int)(count * sizeof(*out))));
}
#define CELLS(t, name, ...)                                                                                            \
	cells(t, name, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))
#define WIDE(v) (uint32_t)((uint64_t)(v) >> 32), (uint32_t)(v)

/* ------ nodes ------ */

static void chosen(struct tree *t, const struct fdt_request *r)
{
	const struct arm64_start *b = r->start;

	begin(t, "chosen");
	text(t, "bootargs", r->cmdline);
	note(t, fdt_property_string(t->fdt, "stdout-path", "/pl011@9000000"));
	if (b->initrd_size) {
		CELLS(t, "linux,initrd-start", WIDE(b->initrd));
		CELLS(t, "linux,initrd-end", WIDE(b->initrd + b->initrd_size));
	}
	if (r->seed) {
		note(t, fdt_property(t->fdt, "kaslr-seed", r->seed->kaslr, sizeof(r->seed->kaslr)));
		note(t, fdt_property(t->fdt, "rng-seed", r->seed->rng, sizeof(r->seed->rng)));
	}
	end(t);
}

static void cpus(struct tree *t, const struct fdt_request *r)
{
	begin(t, "cpus");
	CELLS(t, "#address-cells", 1);
	CELLS(t, "#size-cells", 0);
	for (uint32_t i = 0; i < r->cpus; i++) {
		const uint32_t affinity = (uint32_t)arm64_affinity(i);
		begin(t, "cpu@%" PRIx32, affinity);
		text(t, "device_type", "cpu");
		text(t, "compatible", "arm,armv8");
		CELLS(t, "reg", affinity);
		text(t, "enable-method", "psci");
		end(t);
	}
	end(t);
	begin(t, "psci");
	TEXTS(t, "compatible", "arm,psci-1.0\0arm,psci-0.2");
	text(t, "method", "hvc");
	end(t);
}

static void memory(struct tree *t, const struct fdt_request *r)
{
	const struct ram_region *ram = &r->ram->region[0];

	begin(t, "memory@%" PRIx64, ram->gpa);
	text(t, "device_type", "memory");
	CELLS(t, "reg", WIDE(ram->gpa), WIDE(ram->size));
	end(t);
}

/* Non-secure physical, virtual and hypervisor timer after the secure one, which is not there to be used. */
static void timer(struct tree *t)
{
	begin(t, "timer");
	text(t, "compatible", "arm,armv8-timer");
	flag(t, "always-on");
	CELLS(t, "interrupts", IRQ_PPI, 13, IRQ_LEVEL_HIGH, IRQ_PPI, 14, IRQ_LEVEL_HIGH, IRQ_PPI, 11, IRQ_LEVEL_HIGH, IRQ_PPI, 10,
	      IRQ_LEVEL_HIGH);
	end(t);
}

static void msi_frame(struct tree *t, const vma_arm64_gic *g)
{
	begin(t, "v2m@%" PRIx64, g->msi_base);
	text(t, "compatible", "arm,gic-v2m-frame");
	flag(t, "msi-controller");
	CELLS(t, "reg", WIDE(g->msi_base), WIDE(0x1000));
	CELLS(t, "phandle", PHANDLE_MSI);
	end(t);
}

static void gic(struct tree *t, const struct fdt_request *r)
{
	const vma_arm64_gic *g = r->gic;
	const uint64_t dist_size = g->version == 3 ? 0x10000 : 0x1000;
	const uint64_t cpu_size = g->version == 3 ? (uint64_t)r->cpus * 0x20000 : 0x2000;

	begin(t, "intc@%" PRIx64, g->dist_base);
	text(t, "compatible", g->version == 3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
	CELLS(t, "#interrupt-cells", 3);
	flag(t, "interrupt-controller");
	CELLS(t, "#address-cells", 2);
	CELLS(t, "#size-cells", 2);
	flag(t, "ranges");
	CELLS(t, "reg", WIDE(g->dist_base), WIDE(dist_size), WIDE(g->cpu_base), WIDE(cpu_size));
	CELLS(t, "phandle", PHANDLE_GIC);
	if (g->msi_count)
		msi_frame(t, g);
	end(t);
}

static void devices(struct tree *t)
{
	begin(t, "apb-pclk");
	text(t, "compatible", "fixed-clock");
	CELLS(t, "#clock-cells", 0);
	CELLS(t, "clock-frequency", UART_HZ);
	text(t, "clock-output-names", "clk24mhz");
	CELLS(t, "phandle", PHANDLE_CLOCK);
	end(t);
	begin(t, "pl011@%llx", ARM64_UART);
	TEXTS(t, "compatible", "arm,pl011\0arm,primecell");
	CELLS(t, "reg", WIDE(ARM64_UART), WIDE(0x1000));
	CELLS(t, "interrupts", IRQ_SPI, ARM64_SPI_UART, IRQ_LEVEL_HIGH);
	CELLS(t, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
	TEXTS(t, "clock-names", "uartclk\0apb_pclk");
	end(t);
	begin(t, "pl031@%llx", ARM64_RTC);
	TEXTS(t, "compatible", "arm,pl031\0arm,primecell");
	CELLS(t, "reg", WIDE(ARM64_RTC), WIDE(0x1000));
	CELLS(t, "interrupts", IRQ_SPI, ARM64_SPI_RTC, IRQ_LEVEL_HIGH);
	CELLS(t, "clocks", PHANDLE_CLOCK);
	text(t, "clock-names", "apb_pclk");
	end(t);
}

static void root(struct tree *t, const struct fdt_request *r)
{
	begin(t, "%s", "");
	CELLS(t, "#address-cells", 2);
	CELLS(t, "#size-cells", 2);
	CELLS(t, "interrupt-parent", PHANDLE_GIC);
	text(t, "compatible", "linux,dummy-virt");
	text(t, "model", "vm-accel");
	chosen(t, r);
	memory(t, r);
	cpus(t, r);
	timer(t);
	gic(t, r);
	devices(t);
	end(t);
}

int fdt_write(const struct fdt_request *r, struct vmm_error *error)
{
	struct tree t = {.fdt = ram_at(r->ram, r->start->fdt, ARM64_FDT_ROOM)};

	if (!t.fdt)
		return vmm_fail(error, VMM_STATUS_VMM, "no room for the device tree");
	note(&t, fdt_create(t.fdt, ARM64_FDT_ROOM));
	note(&t, fdt_finish_reservemap(t.fdt));
	root(&t, r);
	note(&t, fdt_finish(t.fdt));
	return t.failed ? vmm_fail(error, VMM_STATUS_USAGE, "the device tree: %s", fdt_strerror(t.failed)) : 0;
}
