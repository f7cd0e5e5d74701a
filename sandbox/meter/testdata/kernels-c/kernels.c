// Kernels for measuring what metering costs. Each export does its work n times
// and returns a sum, so that nothing is left out.
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
