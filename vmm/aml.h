/* aml.h - ACPI machine language (ACPI 6.4, chapter 20), the few terms that the tables here use, written into a buffer
 * of the caller. */
#ifndef VMM_AML_H
#define VMM_AML_H

#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH 8
struct aml {
	uint8_t *to;
	size_t size, used;
	size_t open[AML_DEPTH]; /* where the contents of each open package begin */
	unsigned depth;
	int failed; /* no room, too deep, bad name: everything after it does nothing */
};

void aml_init(struct aml *aml, void *to, size_t size);
/* Scope(name) { ... } and Device(name) { ... }; `name` is up to four characters, with a leading '\\' for the root. */
void aml_scope(struct aml *aml, const char *name);
void aml_device(struct aml *aml, const char *name);
void aml_end(struct aml *aml);
void aml_name_integer(struct aml *aml, const char *name, uint64_t value);
void aml_name_package(struct aml *aml, const char *name, const uint64_t *values, unsigned count);
void aml_name_eisa(struct aml *aml, const char *name, const char *id); /* "PNP0501" */
/* _CRS: `count` ports from `port` decoded as 16 bits, and one edge interrupt. */
void aml_name_io_irq(struct aml *aml, const char *name, uint16_t port, uint8_t count, unsigned irq);
/* Bytes written, or 0 if something failed or is still open. */
size_t aml_finish(const struct aml *aml);

#endif
