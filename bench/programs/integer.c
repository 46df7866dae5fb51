/* integer.c - integer work of the kinds that CoreMark has: searching and reversing a linked list, a matrix of 16-bit
 * numbers, a state machine over text, and a CRC over the results. */
#include "programs.h"

enum { NODES = 200, SIDE = 24, TEXT = 600 };

struct node {
	struct node *next;
	uint16_t key, value;
};

static uint16_t crc16(uint16_t data, uint16_t crc)
{
	for (int i = 0; i < 16; i++) {
		unsigned carry = (data ^ crc) & 1;

		data >>= 1;
		crc >>= 1;
		if (carry)
			crc ^= 0xa001;
	}
	return crc;
}

static struct node *make_list(struct node *nodes, uint64_t *seed)
{
	for (int i = 0; i < NODES; i++) {
		nodes[i].key = (uint16_t)next_random(seed);
		nodes[i].value = (uint16_t)i;
		nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : (struct node *)0;
	}
	return nodes;
}

static struct node *reverse(struct node *list)
{
	struct node *out = (struct node *)0;

	while (list) {
		struct node *next = list->next;

		list->next = out;
		out = list;
		list = next;
	}
	return out;
}

static uint16_t search(const struct node *list, uint16_t key)
{
	for (; list; list = list->next)
		if ((list->key & 0xff) == (key & 0xff))
			return list->value;
	return 0xffff;
}

/* Merge runs of growing length, as CoreMark's list sort does. */
static struct node *sort(struct node *list)
{
	for (int run = 1;; run *= 2) {
		struct node *p = list, *tail = (struct node *)0;
		int merges = 0;

		list = (struct node *)0;
		for (; p; merges++) {
			struct node *q = p, *e;
			int left = 0, right = run;

			while (left < run && q) {
				left++;
				q = q->next;
			}
			while (left || (right && q)) {
				if (left && (!right || !q || p->key <= q->key)) {
					e = p;
					p = p->next;
					left--;
				} else {
					e = q;
					q = q->next;
					right--;
				}
				if (tail)
					tail->next = e;
				else
					list = e;
				tail = e;
			}
			p = q;
		}
		tail->next = (struct node *)0;
		if (merges <= 1)
			return list;
	}
}

static uint16_t list_work(struct node *nodes, uint64_t *seed, uint16_t crc)
{
	struct node *list = make_list(nodes, seed);

	for (int i = 0; i < 8; i++)
		crc = crc16(search(list, (uint16_t)next_random(seed)), crc);
	list = sort(reverse(list));
	for (const struct node *n = list; n; n = n->next)
		crc = crc16(n->value, crc);
	return crc;
}

static uint16_t matrix_work(int16_t *a, int16_t *b, int32_t *out, uint16_t crc)
{
	for (int i = 0; i < SIDE * SIDE; i++) {
		a[i] = (int16_t)(i * 7 + crc);
		b[i] = (int16_t)(i * 3 - crc);
	}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			int32_t sum = 0;

			for (int k = 0; k < SIDE; k++)
				sum += ((int32_t)a[i * SIDE + k] * b[k * SIDE + j]) >> 2 & 0x7f;
			out[i * SIDE + j] = sum;
		}
	for (int i = 0; i < SIDE * SIDE; i += SIDE + 1)
		crc = crc16((uint16_t)out[i], crc);
	return crc;
}

enum state { START, SIGN, INT, POINT, EXPONENT, BAD, STATES };

static enum state step(enum state s, uint8_t c)
{
	int digit = c >= '0' && c <= '9';

	switch (s) {
	case START:
		return digit ? INT : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : BAD;
	case SIGN:
		return digit ? INT : c == '.' ? POINT : BAD;
	case INT:
		return digit ? INT : c == '.' ? POINT : c == 'e' ? EXPONENT : BAD;
	case POINT:
		return digit ? POINT : c == 'e' ? EXPONENT : BAD;
	case EXPONENT:
		return digit || c == '+' || c == '-' ? EXPONENT : BAD;
	default:
		return BAD;
	}
}

static uint16_t text_work(uint8_t *text, uint64_t *seed, uint16_t crc)
{
	static const uint8_t letters[16] = "0123456789.+-e,,";
	uint32_t count[STATES] = {0};
	enum state s = START;

	for (int i = 0; i < TEXT; i++)
		text[i] = letters[next_random(seed) >> 20 & 15];
	for (int i = 0; i < TEXT; i++) {
		s = text[i] == ',' ? START : step(s, text[i]);
		count[s]++;
	}
	for (int i = 0; i < STATES; i++)
		crc = crc16((uint16_t)count[i], crc);
	return crc;
}

uint64_t program_integer(uint64_t reps, uint8_t *heap)
{
	uint64_t seed = 88172645463325252u;
	uint16_t crc = 0xffff;

	for (; reps; reps--) {
		crc = list_work((struct node *)(void *)heap, &seed, crc);
		crc = matrix_work((int16_t *)(void *)(heap + 0x4000), (int16_t *)(void *)(heap + 0x6000),
				  (int32_t *)(void *)(heap + 0x8000), crc);
		crc = text_work(heap + 0xc000, &seed, crc);
	}
	return crc;
}
