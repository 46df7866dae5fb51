#!/bin/dash
# What runs here and in the guest: every line of its output must be the same. Programs of dash, coreutils and openssl; Python's part is
# python.py. Nothing may depend on time, names, random numbers, the environment or the kernel.
set -u
work=$1
export LC_ALL=C TMPDIR=$1 PATH=/usr/bin:/bin PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 OPENSSL_CONF=$1/none
cd "$work" || exit 1

section() {
	echo "== $*"
}

section dash
i=0 sum=0
while [ $i -lt 20000 ]; do
	sum=$(((sum * 31 + i) % 1000003)) i=$((i + 1))
done
echo $sum $((7 / 2)) $((-7 % 3)) $((1 << 40)) $((0x7fffffff * 3))
word=abcdefghij
echo "${word#???}" "${word%?}" "${#word}" "${word:-none}" "$(echo "$word" | tr a-e A-E)"
printf '%s %d %x %o %c %5.2f|%-8s|%08d\n' text 42 255 8 Q 3.14159 left 77
for f in one two three; do echo "$f" >"$f.txt"; done
cat ./*.txt | while read -r line; do echo "<$line>"; done
case $word in a*j) echo matched ;; *) echo not ;; esac
(exit 3); echo "status $?"

section coreutils
seq 1 3000 >numbers
sort -r numbers | head -n 5
sort -n -k1 numbers | tail -n 3 | tac
sort -R --random-source=numbers numbers | cksum
shuf --random-source=numbers numbers | md5sum
seq -f '%.3f' 1 0.37 40 | sort -g | tail -n 2
seq 0 0.1 2 | tr '\n' ' '
echo
factor 18446744073709551615 1000000007 999999999989 87178291199
wc numbers
for sum in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum 'sum -s' 'sum -r'; do $sum numbers; done
cksum -a sm3 numbers
od -A x -t x1z -v numbers | tail -n 3
od -t f8 -N 64 numbers
od -t fF -N 32 numbers
od -t d8 -t u2 -N 32 numbers
base64 numbers | tail -n 2
base32 numbers | tail -n 1
basenc --z85 -w 0 one.txt; echo
base64 numbers | base64 -d | sha1sum
split -l 700 numbers part. && sha256sum part.*
join numbers numbers | tail -n 1
paste -d, numbers numbers | cut -d, -f2 | uniq -c | sort | head -n 2
comm -12 numbers numbers | wc -l
fold -w 7 numbers | tail -n 1
expand one.txt; fmt -w 20 numbers | head -n 2; nl one.txt; pr -t -3 one.txt
tr 0-9 a-j <numbers | sha1sum
expr 12345678901234567890 '*' 98765432109876543210
numfmt --to=iec 123456789 987654321987; numfmt --from=si 4.5G
printf '%.20g %a %e\n' 0.1 3.25 123456.789
dd if=numbers bs=7 skip=11 count=5 status=none | od -c
truncate -s 100000 zeros && sha256sum zeros
ls -1; stat -c '%s %F' numbers; du --apparent-size -b zeros
mkdir -p tree/a/b && cp numbers tree/a/b/ && mv tree/a/b/numbers tree/n && ln -s n tree/l && readlink tree/l && ls -1R tree
tsort <<'END'
a b
b c
a d
END
date -u -d @1234567890 '+%F %T %j %U'
date -u -d '2024-02-29 +1 year' +%F
test 10 -gt 9 && echo greater
env -i A=1 /usr/bin/env

section openssl digests
openssl list -digest-commands | tr -s ' ' '\n' | sort >digests
for d in blake2b512 blake2s256 md5 ripemd160 sha1 sha224 sha256 sha3-224 sha3-256 sha3-384 sha3-512 sha384 sha512 sha512-224 sha512-256 \
	shake128 shake256 sm3; do
	openssl dgst -"$d" numbers zeros
done
openssl dgst -sha256 -hmac key numbers
openssl dgst -sha512 -mac HMAC -macopt hexkey:0011223344 numbers
section openssl ciphers
for c in aes-128-cbc aes-192-cbc aes-256-cbc aes-128-ctr aes-256-ctr aes-128-cfb aes-256-ofb aes-128-ecb aria-256-cbc camellia-256-cbc \
	camellia-128-ctr chacha20 des-ede3-cbc sm4-cbc sm4-ctr; do
	openssl enc -e -"$c" -pbkdf2 -iter 100 -S 0102030405060708 -pass pass:word -in numbers -out crypted &&
		openssl enc -d -"$c" -pbkdf2 -iter 100 -S 0102030405060708 -pass pass:word -in crypted -out plain
	echo "$c $? $(sha256sum <crypted) $(sha256sum <plain)"
done
openssl enc -aes-256-cbc -a -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 000102030405060708090a0b0c0d0e0f -in one.txt
section openssl numbers
openssl prime 1000000007 170141183460469231731687303715884105727 1000000016000000063
openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:word -kdfopt salt:salt -kdfopt iter:2000 PBKDF2
openssl kdf -keylen 32 -kdfopt pass:word -kdfopt salt:salt -kdfopt n:1024 -kdfopt r:8 -kdfopt p:1 SCRYPT
openssl passwd -6 -salt saltsalt secret

section python
python3.11 -S -c 'print("hello from", 6 * 7)'
python3.11 "$2"
section end
