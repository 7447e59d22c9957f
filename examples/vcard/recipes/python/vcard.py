"""A software Individual Number Card for tests: starts vcard and steers it.

Needs vcard on the PATH, or its path in VCARD, and pcscd with vpcd. It uses
nothing but Python's own library; the tests talk to the card by pyscard.
"""

import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request


class Refused(Exception):
    """The control API refused a call; code is its reason."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['text']}")
        self.code = error["code"]


class VCard:
    def __init__(self, *flags):
        program = shutil.which(os.environ.get("VCARD", "vcard"))
        if not program:
            raise FileNotFoundError("vcard is not there: put it on the PATH, or its path in VCARD")
        self.process = subprocess.Popen(
            [program, "-addr", "auto", "-control", "127.0.0.1:0", "-wait", *flags], stdout=subprocess.PIPE, text=True)
        late = threading.Timer(60, self.process.kill)
        late.start()
        line = self.process.stdout.readline()
        late.cancel()
        if not line:
            self.close()
            raise RuntimeError("vcard found no reader for its card: is pcscd with vpcd running?")
        first = json.loads(line)
        self.url, self.reader = first["control"], first["reader"]

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()

    def raw(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.read()
        except urllib.error.HTTPError as e:
            with e:
                raise Refused(json.load(e)["error"]) from None

    def call(self, method, path, body=None):
        return json.loads(self.raw(method, path, None if body is None else json.dumps(body).encode()))

    def put(self, **card):
        """Another card, such as put(kind="expired", pins={"auth": {"left": 1}})."""
        return self.call("PUT", "/v1/card", card)["card"]

    def card(self):
        return self.call("GET", "/v1/card")["card"]

    def faults(self, *rules):
        return self.call("PUT", "/v1/faults", list(rules))

    def applied(self):
        return [rule["applied"] for rule in self.call("GET", "/v1/faults")]

    def mark(self, text=""):
        return self.call("POST", "/v1/marks", {"text": text})["n"]

    def log(self, after, **only):
        query = urllib.parse.urlencode({"after": after, **only})
        return [json.loads(line) for line in self.raw("GET", "/v1/log?" + query).splitlines()]

    def file(self, name):
        """A certificate or a list in PEM, such as file("auth.crl")."""
        return self.raw("GET", "/v1/authority/" + name)
