// Kernels for measuring what an engine and its metering cost. Each export does its
// work n times and returns a sum, so that nothing is left out.
typedef unsigned char u8;
typedef unsigned u32;

#define EXPORT(name) __attribute__((export_name(#name)))

enum { SIZE = 96, LIMIT = 1 << 16, ITEMS = 4096, TEXT = 1 << 14 };

static double a[SIZE][SIZE], b[SIZE][SIZE], c[SIZE][SIZE];

EXPORT(matmul) int matmul(int n) {
	for (int i = 0; i < SIZE; i++)
		for (int j = 0; j < SIZE; j++)
			a[i][j] = i + j, b[i][j] = i - j;
	while (n-- > 0)
		for (int i = 0; i < SIZE; i++)
			for (int j = 0; j < SIZE; j++) {
				double sum = 0;
				for (int k = 0; k < SIZE; k++)
					sum += a[i][k] * b[k][j];
				c[i][j] = sum + n;
			}
	return (int)c[7][11];
}

static u8 composite[LIMIT];

EXPORT(sieve) int sieve(int n) {
	int count = 0;
	while (n-- > 0) {
		count = 0;
		for (int i = 0; i < LIMIT; i++)
			composite[i] = (u8)(n & 0);
		for (int i = 2; i < LIMIT; i++) {
			if (composite[i])
				continue;
			count++;
			for (int j = 2 * i; j < LIMIT; j += i)
				composite[j] = 1;
		}
	}
	return count;
}

struct planet { double x, y, z, vx, vy, vz, mass; };
static struct planet planets[5];

EXPORT(nbody) int nbody(int n) {
	for (int i = 0; i < 5; i++)
		planets[i] = (struct planet){i * 1.5, i * i * 0.7, 5 - i, 0.1 * i, 0.2, -0.1 * i, 1.0 / (i + 1)};
	for (n *= 100; n > 0; n--) {
		for (int i = 0; i < 5; i++)
			for (int j = i + 1; j < 5; j++) {
				struct planet *p = &planets[i], *q = &planets[j];
				double dx = p->x - q->x, dy = p->y - q->y, dz = p->z - q->z;
				double d = dx * dx + dy * dy + dz * dz + 0.01;
				double mag = 0.001 / (d * __builtin_sqrt(d));
				p->vx -= dx * q->mass * mag, p->vy -= dy * q->mass * mag, p->vz -= dz * q->mass * mag;
				q->vx += dx * p->mass * mag, q->vy += dy * p->mass * mag, q->vz += dz * p->mass * mag;
			}
		for (int i = 0; i < 5; i++)
			planets[i].x += 0.001 * planets[i].vx, planets[i].y += 0.001 * planets[i].vy, planets[i].z += 0.001 * planets[i].vz;
	}
	return (int)(planets[0].x * 1e6);
}

static int items[ITEMS];

static void quicksort(int *v, int n) {
	while (n > 12) {
		int pivot = v[n / 2], i = 0, j = n - 1;
		while (i <= j) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i <= j) {
				int t = v[i];
				v[i++] = v[j], v[j--] = t;
			}
		}
		quicksort(v, j + 1);
		v += i, n -= i;
	}
	for (int i = 1; i < n; i++) {
		int t = v[i], j = i;
		for (; j > 0 && v[j - 1] > t; j--)
			v[j] = v[j - 1];
		v[j] = t;
	}
}

EXPORT(sort) int sort(int n) {
	while (n-- > 0) {
		for (int i = 0; i < ITEMS; i++)
			items[i] = (int)((u32)(i + n) * 2654435761u >> 8);
		quicksort(items, ITEMS);
	}
	return items[17];
}

static u8 text[TEXT];

// match is regular expressions with . * and literals, as in every textbook.
static int here(const char *re, const u8 *s, const u8 *end) {
	for (; *re; re++, s++) {
		if (re[1] == '*') {
			do
				if (here(re + 2, s, end))
					return 1;
			while (s < end && (*s++ == *re || *re == '.'));
			return 0;
		}
		if (s == end || (*re != '.' && *re != *s))
			return 0;
	}
	return 1;
}

EXPORT(regex) int regex(int n) {
	for (int i = 0; i < TEXT; i++)
		text[i] = (u8)('a' + (u32)i * 2654435761u % 7);
	int found = 0;
	while (n-- > 0)
		for (int i = 0; i + 40 < TEXT; i++)
			found += here("ab*.d*g", text + i, text + i + 40);
	return found;
}

static u32 rotr(u32 x, int k) { return x >> k | x << (32 - k); }

// mix is the compression function of SHA-256 with made up constants.
EXPORT(sha256) int sha256(int n) {
	u32 h[8] = {1, 2, 3, 4, 5, 6, 7, 8}, w[64];
	for (n *= 64; n > 0; n--) {
		for (int i = 0; i < 16; i++)
			w[i] = (u32)(n + i) * 2654435761u;
		for (int i = 16; i < 64; i++) {
			u32 x = w[i - 15], y = w[i - 2];
			w[i] = w[i - 16] + w[i - 7] + (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10);
		}
		u32 s[8];
		for (int i = 0; i < 8; i++)
			s[i] = h[i];
		for (int i = 0; i < 64; i++) {
			u32 t = s[7] + (rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + w[i] + (u32)i * 40503u;
			u32 v = (rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
			s[7] = s[6], s[6] = s[5], s[5] = s[4], s[4] = s[3] + t;
			s[3] = s[2], s[2] = s[1], s[1] = s[0], s[0] = t + v;
		}
		for (int i = 0; i < 8; i++)
			h[i] += s[i];
	}
	return (int)h[0];
}

// The worst case: nothing but a loop that the compiler may not remove.
EXPORT(loop) int loop(int n) {
	for (n *= 1000; n > 0; n--)
		__asm__ volatile("");
	return n;
}

static int fibonacci(int n) { return n < 2 ? 1 : fibonacci(n - 1) + fibonacci(n - 2); }

EXPORT(fib) int fib(int n) {
	int sum = 0;
	while (n-- > 0)
		sum += fibonacci(20 + n % 2);
	return sum;
}

// json reads a document into a tree of nodes and writes it again.
enum { NODES = 1024, DOCUMENT = 4096 };
struct node { char kind; int from, to, child, next; double number; };
static struct node nodes[NODES];
static u8 document[DOCUMENT], written[2 * DOCUMENT];
static int used, at, out;

static void put(const char *s) {
	while (*s)
		document[at++] = (u8)*s++;
}

static void space(void) {
	while (document[at] == ' ' || document[at] == '\n')
		at++;
}

static int quoted(void) {
	int i = used++;
	nodes[i] = (struct node){'s', ++at, 0, -1, -1, 0};
	while (document[at] != '"')
		at += document[at] == '\\' ? 2 : 1;
	nodes[i].to = at++;
	return i;
}

static int numeral(void) {
	int i = used++;
	double v = 0, scale = 1;
	for (; document[at] >= '0' && document[at] <= '9'; at++)
		v = v * 10 + (document[at] - '0');
	if (document[at] == '.')
		for (at++; document[at] >= '0' && document[at] <= '9'; at++)
			v += (document[at] - '0') * (scale /= 10);
	nodes[i] = (struct node){'n', 0, 0, -1, -1, v};
	return i;
}

static int value(void) {
	space();
	u8 open = document[at];
	if (open == '"')
		return quoted();
	if (open != '{' && open != '[')
		return numeral();
	int i = used++, *link = &nodes[i].child;
	nodes[i] = (struct node){(char)open, 0, 0, -1, -1, 0};
	for (at++, space(); document[at] != '}' && document[at] != ']'; space()) {
		*link = value();
		link = &nodes[*link].next;
		space();
		if (document[at] == ',' || document[at] == ':')
			at++;
	}
	at++;
	return i;
}

static void integer(u32 n) {
	if (n > 9)
		integer(n / 10);
	written[out++] = (u8)('0' + n % 10);
}

static void write(int i) {
	struct node *v = &nodes[i];
	switch (v->kind) {
	case 's':
		written[out++] = '"';
		for (int k = v->from; k < v->to; k++)
			written[out++] = document[k];
		written[out++] = '"';
		return;
	case 'n':
		integer((u32)v->number);
		return;
	}
	written[out++] = (u8)v->kind;
	int field = 0;
	for (int c = v->child; c >= 0; c = nodes[c].next, field++) {
		if (field > 0)
			written[out++] = v->kind == '{' && field % 2 ? ':' : ',';
		write(c);
	}
	written[out++] = v->kind == '{' ? '}' : ']';
}

EXPORT(json) int json(int n) {
	at = 0;
	put("[");
	for (int i = 0; i < 12; i++) {
		put(i ? ", " : "");
		put("{\"id\": 4711, \"name\": \"a longer name with an \\\"escape\\\" in it\", \"tags\": [\"one\", \"two\", \"three\"],\n");
		put(" \"price\": 1234.5678, \"nested\": {\"deep\": {\"deeper\": [1, 2, 3, 40000000]}}}");
	}
	put("]");
	int sum = 0;
	while (n-- > 0) {
		used = at = out = 0;
		write(value());
		for (int k = 0; k < out; k += 64)
			sum += written[k];
	}
	return sum;
}
