"""Python's part of commands.sh: arithmetic of every kind, and what the interpreter's own machinery does."""
import array, binascii, bisect, cmath, collections, ctypes, decimal, fractions, functools, hashlib, hmac, heapq, itertools
import bz2, json, lzma, math, operator, random, re, statistics, string, struct, textwrap, threading, unicodedata, zlib

def digest(*values):
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]

def section(name):
    print("--", name)

section("floats")
points = [0.0, -0.0, 1.0, -1.5, 0.1, math.pi, 1e-310, 5e-324, 1e308, 123456.789, 2 ** 53 + 0.0, -7.25e-9, 1e22, 3.0e-5]
for f in ("sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh erf erfc gamma lgamma "
          "floor ceil trunc degrees radians cbrt exp2").split():
    def value(x):
        try:
            return repr(getattr(math, f)(x))
        except (ValueError, OverflowError) as e:
            return type(e).__name__
    print(f, digest([value(x) for x in points]), value(0.7), value(12.25))
many = [((i * 2654435761) % 2 ** 32) / 2 ** 28 for i in range(4000)]
for f in (math.sin, math.cos, math.exp, math.sqrt, math.atan, math.erf, math.log1p, math.tanh):
    print(f.__name__, digest([f(x) for x in many]))
print(digest([math.pow(x, y) for x, y in zip(many, many[1:])]), digest([math.fmod(x, 0.37) for x in many]))
print(digest([math.atan2(x, y) for x, y in zip(many, many[1:])]), digest([math.hypot(x, y) for x, y in zip(many, many[1:])]))
print(math.fsum(many), sum(many), math.prod(many[1:40]), math.nextafter(1, 2), math.ulp(1e300), math.frexp(0.1), math.ldexp(0.7, -1060))
print([f"{x:.17g} {x:e} {x:g} {x.hex()}" for x in points])
print([round(x, 2) for x in many[:20]], [int(x) for x in many[:9]], [divmod(x, 1.3) for x in many[:3]])
print([float(s) for s in ("1e-400", "2.2250738585072011e-308", "1.7976931348623159e308", "0x1p-3"[2:3] + ".5", "inf", "nan")])
print(cmath.sqrt(-1 + 2j), cmath.exp(1j), cmath.log(3 - 4j), (1 + 2j) ** (0.5 - 1j), abs(3 + 4j), cmath.phase(-1j))

section("integers")
print(digest([pow(3, n, 10 ** 40 + 7) for n in range(500)]), math.factorial(200) % 10 ** 60, 2 ** 521 - 1, math.isqrt(10 ** 99))
print((-7) // 2, -7 % 3, (-2) ** 63 >> 5, ~12345 & 0xFF, (1 << 100) ^ (1 << 63), (12345 ** 40).bit_length(), math.gcd(2 ** 80, 6 ** 50))
print(int("z" * 30, 36), int.from_bytes(b"abcdefghijk", "little"), hash(12345678901234567890), hash(1.5), hash("text"), math.comb(300, 120))
print(fractions.Fraction(355, 113) ** 9, fractions.Fraction(0.1), decimal.Decimal(2).sqrt(decimal.Context(prec=80)))
decimal.getcontext().prec = 60
print(decimal.Decimal("1.1") ** 77, decimal.Decimal(10).ln(), (decimal.Decimal(1) / 7).quantize(decimal.Decimal("1e-30")))

section("numbers at random, seeded")
r = random.Random(12345)
print(r.random(), r.gauss(0, 1), r.randrange(10 ** 30), r.sample(range(1000), 8), r.choices("abc", k=10), r.expovariate(2), r.betavariate(2, 3))
sample = [r.normalvariate(5, 2) for _ in range(2000)]
print(statistics.mean(sample), statistics.stdev(sample), statistics.median(sample), statistics.quantiles(sample), statistics.linear_regression(sample, sample[::-1]))
print(digest(sorted(sample)), digest(heapq.nsmallest(50, sample)), bisect.bisect(sorted(sample), 5.0))

section("bytes and text")
data = bytes(r.randrange(256) for _ in range(60000)) + b"repeat " * 5000
for name in sorted(n for n in hashlib.algorithms_guaranteed if not n.startswith("shake")):
    print(name, hashlib.new(name, data).hexdigest()[:40])
print(hmac.new(b"key", data, "sha512").hexdigest()[:40], hashlib.pbkdf2_hmac("sha256", b"p", b"s", 500).hex())
for name, pack, unpack in (("zlib", zlib.compress, zlib.decompress), ("bz2", bz2.compress, bz2.decompress), ("lzma", lzma.compress, lzma.decompress)):
    packed = pack(data)
    print(name, len(packed), hashlib.md5(packed).hexdigest(), unpack(packed) == data)
print(zlib.crc32(data), zlib.adler32(data), binascii.crc_hqx(data, 7), binascii.b2a_base64(data[:30]))
print(struct.pack("<bBhHiIqQfde", -1, 2, -3, 4, -5, 6, -7, 8, 1.5, 2.5, 0.1).hex(), struct.unpack(">d", b"@\t!\xfbTD-\x18"))
print(array.array("f", many[:6]).tobytes().hex(), array.array("h", [1, -2]).byteswap())
text = "Grüße, ζωή, 漢字 и e\u0301 " * 3
print(digest(text.upper(), text.casefold(), text.encode("utf-16"), unicodedata.normalize("NFC", text), text.title(), text[::-1]))
print([unicodedata.name(c, "?") for c in "ζ漢é"], text.count("ζ"), textwrap.wrap("the quick brown fox " * 4, 30))
print(re.sub(r"(\w+) (\w+)", r"\2 \1", "alpha beta gamma delta"), re.findall(r"(?:a|b)*?c{2,}", "abcc bacccc cc"), re.split(r"\s*[,;]\s*", "a , b;c"))
print(json.dumps({"k": [1, 2.5, None, True, "ü\n"], "n": {"x": 1e100}}, sort_keys=True), json.loads('[1e5, -0.0, "\\u00e9"]'))
print(string.Template("$a and ${b}").substitute(a=1, b=2), f"{1234567.891:,.2f} {255:#x} {0.000123:%} {'x':^9}", "%5d|%-6s|%+.3e" % (3, "ab", 12345.678))

section("the interpreter")
@functools.lru_cache(None)
def ways(n, k):
    return 1 if n == 0 else 0 if n < 0 or k == 0 else ways(n - k, k) + ways(n, k - 1)
print(ways(120, 120), sum(1 for p in itertools.permutations(range(7)) if p[0] < p[-1]), list(itertools.accumulate(range(10), operator.mul, initial=1))[:5])
def sieve(n):
    s = bytearray([1]) * (n + 1)
    for i in range(2, int(n ** 0.5) + 1):
        if s[i]:
            s[i * i::i] = bytes(len(range(i * i, n + 1, i)))
    return sum(s) - 2
print(sieve(100000))
class Node:
    __slots__ = ("left", "right", "key")
    def __init__(self, key):
        self.key, self.left, self.right = key, None, None
def insert(node, key):
    if node is None:
        return Node(key)
    if key < node.key:
        node.left = insert(node.left, key)
    else:
        node.right = insert(node.right, key)
    return node
def walk(node):
    if node:
        yield from walk(node.left)
        yield node.key
        yield from walk(node.right)
root = None
for key in r.sample(range(10000), 1500):
    root = insert(root, key)
print(digest(list(walk(root))))
total, lock = collections.Counter(), threading.Lock()
def work(n):
    for i in range(500):
        with lock:
            total[i % 7] += n
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(sorted(total.items()))
size = 24
a = [[(i * j) % 7 + 0.25 for j in range(size)] for i in range(size)]
print(digest([[sum(x * y for x, y in zip(row, col)) for col in zip(*a)] for row in a]))
libm = ctypes.CDLL("libm.so.6")
libm.fma.restype = libm.remainder.restype = libm.rint.restype = ctypes.c_double
print(libm.fma(ctypes.c_double(0.1), ctypes.c_double(10.0), ctypes.c_double(-1.0)), libm.remainder(ctypes.c_double(7.5), ctypes.c_double(2.0)))
libm.sinl.restype = libm.expl.restype = libm.powl.restype = ctypes.c_longdouble
print(libm.sinl(ctypes.c_longdouble(0.5)), libm.expl(ctypes.c_longdouble(1.5)), libm.powl(ctypes.c_longdouble(1.1), ctypes.c_longdouble(30.5)))
try:
    1 // 0
except ZeroDivisionError as e:
    print("caught", e)
try:
    exec("def broken(:")
except SyntaxError as e:
    print("caught", e.msg)
