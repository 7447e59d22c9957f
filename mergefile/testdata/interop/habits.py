"""Writes merge files as Python programs make them, one for each habit, into the
directory that is named first. Key and secret follow. AES is not in the standard
library: the program openssl encrypts.

A file X.habit has its key in X.key and its secret in X.secret, where they are
others than those that were given.
"""
import base64
import binascii
import csv
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import textwrap
import zipfile

folder, key, secret = sys.argv[1], sys.argv[2].encode(), sys.argv[3].encode()
rows = [("520625", 100, "20170512093000", 1), ("180000000011", 5100, "20170512093001", 2), ("1111111", 30, "20170512235959", 3)]
iv = os.urandom(16)


def md5(*parts, secret=secret):
    return hashlib.md5("".join(parts).encode() + secret)


def fields(row, form="{:06d}"):
    return [row[0], str(row[1]), row[2] + form.format(row[3])]


def usual(row):
    return ",".join(fields(row) + [md5(*fields(row)).hexdigest()])


def text(line, end="\r\n"):
    return "".join(line(r) + end for r in rows).encode()


def cipher(data, name="aes-128-cbc", k=key, v=iv):
    args = ["openssl", "enc", "-e", "-" + name, "-K", k.hex()] + (["-iv", v.hex()] if v else [])
    return subprocess.run(args, input=data, stdout=subprocess.PIPE, check=True).stdout


def sealed(data, k=key):
    return iv + cipher(data, k=k)


def folded(k):
    """MySQL's AES_ENCRYPT takes a key of any length by XOR."""
    out = bytearray(16)
    for i, b in enumerate(k):
        out[i % 16] ^= b
    return bytes(out)


def written(**options):
    """The text as the module csv writes it."""
    out = io.StringIO()
    w = csv.writer(out, **options)
    for r in rows:
        w.writerow(fields(r) + [md5(*fields(r)).hexdigest()])
    return out.getvalue().encode()


def dashes(row):
    digest = md5(*fields(row)).digest()
    return ",".join(fields(row) + [binascii.hexlify(digest, "-").decode().upper()])


def holder_quoted(row):
    return '"{}",{}'.format(row[0], usual(row).split(",", 1)[1])


def fixed(row):
    f = ["{:12}".format(row[0]), "{:09d}".format(row[1]), fields(row)[2]]
    return "".join(f + [md5(*f).hexdigest()]) + " " * 7


def minutes(row):
    f = [row[0], str(row[1]), row[2][:12] + "{:06d}".format(row[3])]
    return ",".join(f + [md5(*f).hexdigest()])


def japanese(encoding):
    return lambda row: ",".join(fields(row) + [md5(*fields(row), secret="合算の鍵".encode(encoding)).hexdigest()])


def sha256(row):
    return ",".join(fields(row) + [hashlib.sha256("".join(fields(row)).encode() + secret).hexdigest()])


long_key, short_key = b"a key of more than sixteen letters", b"ten bytes!"
habits = {
    "hash-dashes": sealed(text(dashes)),
    "semicolons": sealed(written(delimiter=";")),
    "holder-quoted": sealed(text(holder_quoted)),
    "fixed-fill": sealed(text(fixed)),
    "minutes": sealed(text(minutes)),
    "secret-euc-jp": sealed(text(japanese("euc-jp"))),
    "secret-cp932": sealed(text(japanese("cp932"))),
    "hex-60": "".join(line + "\n" for line in textwrap.wrap(sealed(text(usual)).hex(), 60)).encode(),
    "base64-open": base64.encodebytes(sealed(text(usual))).rstrip(b"\n"),
    "key-cut": sealed(text(usual), k=long_key[:16]),
    "key-filled": sealed(text(usual), k=short_key.ljust(16, b"\0")),
    "mysql-sha2-256": cipher(text(usual), "aes-128-ecb", folded(hashlib.sha256(key).digest()), None),
    "mysql-sha2-512": cipher(text(usual), "aes-128-ecb", folded(hashlib.sha512(key).digest()), None),
}
others = {
    "secret-euc-jp.secret": "合算の鍵".encode(),
    "secret-cp932.secret": "\ufeff合算の鍵".encode(),
    "key-cut.key": long_key,
    "key-filled.key": short_key,
}
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as z:
    z.writestr("points.csv", text(usual))
named = {
    "zip": archive.getvalue(),
    "gzip": sealed(gzip.compress(text(usual))),
    "xml": b"<?xml version='1.0'?><rows/>",
    "json": base64.b64encode(json.dumps({"iv": base64.b64encode(iv).decode(), "value": base64.b64encode(cipher(text(usual))).decode(), "mac": "00"}).encode()),
    "sha256": sealed(text(sha256)),
    "aes256": iv + cipher(text(usual), "aes-256-cbc", hashlib.sha256(key).digest()),
}


def write(name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


for name, data in habits.items():
    write(name + ".habit", data)
for name, data in others.items():
    write(name, data)
for name, data in named.items():
    write(name + ".named", data)
