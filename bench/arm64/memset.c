/* memset.c - compilers for arm64 call it for what is set to zero, whatever they are told. */
#include <stddef.h>

void *memset(void *at, int v, size_t n);
void *memset(void *at, int v, size_t n)
{
	unsigned char *p = at;
	for (; n; n--)
		*p++ = (unsigned char)v;
	return at;
}
