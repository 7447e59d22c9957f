"""A till in Python that takes points: standard library alone.

Run the agent with a software card, and then this:

    MYNAKIT_AGENT_PIN=1234 agent -reader sim
    python3 till.py
"""
import base64, hashlib, hmac, json, os, pathlib, sys, uuid
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

NAME = "あおばPOS (Python)"
http = build_opener(ProxyHandler({}))  # loopback, whatever the proxies


class AgentError(Exception):
    """What the agent refused: code, and what and do in Japanese and English."""

    def __init__(self, status, error):
        super().__init__(f'{error["code"]}: {error["what"]["ja"]}{error["do"]["ja"]}')
        self.status, self.code, self.retry = status, error["code"], error["retry"]


def folder():
    """The agent's folder, of this user alone."""
    if "MYNAKIT_AGENT" in os.environ:
        return pathlib.Path(os.environ["MYNAKIT_AGENT"])
    if os.name == "nt":
        base = os.environ["APPDATA"]
    elif sys.platform == "darwin":
        base = pathlib.Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config"
    return pathlib.Path(base) / "mynakit" / "agent"


class Agent:
    def __init__(self, keep):
        """keep is the file that this till keeps its token in."""
        try:
            found = json.loads((folder() / "agent.json").read_text())
        except FileNotFoundError:
            raise SystemExit("エージェントが起動していません。") from None
        self.url, self.token = found["url"], ""
        nonce = uuid.uuid4().hex  # who took the port of an agent that was killed does not know the secret, nor gets it
        proof = base64.b64encode(hmac.digest(found["secret"].encode(), nonce.encode(), hashlib.sha256)).decode()
        if self.call("GET", "/v1/hello?nonce=" + nonce).get("proof") != proof:
            raise SystemExit("別のプログラムがエージェントのポートを使っています。")
        if keep.exists():
            self.token = keep.read_text()
        else:  # a new till: a token of its own, once
            made = self.call("POST", "/v1/clients", {"name": NAME, "secret": found["secret"]})
            if "token" not in made:  # 202: the clerk has to allow it, see docs/agent.md
                raise SystemExit(f"「{NAME}」は登録済みです。{keep} のあるフォルダーで実行するか、担当者用の画面で登録を取り消してください。")
            self.token = made["token"]
            keep.touch(mode=0o600)
            keep.write_text(self.token)

    def call(self, method, path, body=None, key=None, timeout=15):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        if key:
            headers["Idempotency-Key"] = key
        data = None if body is None else json.dumps(body).encode()
        try:
            with http.open(Request(self.url + path, data, headers, method=method), timeout=timeout) as r:
                return json.load(r)
        except HTTPError as e:
            raise AgentError(e.code, json.load(e)["error"]) from None

    def events(self):
        """Yields what happens, for ever."""
        after = ""
        while True:
            got = self.call("GET", f"/v1/events?wait=25&after={after}", timeout=40)
            after = got["last"]
            yield from got["events"]

    def tap(self):
        """Waits for a card and returns it."""
        for event in self.events():
            card = event.get("card") or (event.get("state") or {}).get("card")
            if card and event["type"] in ("state", "reset", "card.inserted") and card["state"] != "reading":
                return card

    def prove(self, card, act, account, points):
        """Has the holder type the PIN in the agent's window."""
        proof = self.call("POST", "/v1/proofs", {"card": card["id"], "act": act, "account": account, "points": points})["proof"]
        for event in self.events():
            proof = self.call("GET", "/v1/proofs/" + proof["id"])["proof"]
            if proof["state"] not in ("waiting_pin", "checking"):
                return proof

    def use(self, key, card, account, points, proof):
        """Takes points. Whatever is lost on the way, the key finds it again."""
        body = {"card": card["id"], "account": account, "points": points, "proof": proof["id"]}
        for _ in range(3):
            try:
                return self.call("POST", "/v1/uses", body, key)["use"]
            except (URLError, TimeoutError):  # the answer is lost: the same call again
                continue
        # Before the till takes other payment, it cancels: only that is final.
        self.call("POST", f"/v1/requests/{quote(key)}/cancel")
        raise TimeoutError("the agent does not answer; the use is cancelled")


def main():
    agent = Agent(pathlib.Path(os.environ.get("TILL_TOKEN", "till.token")))
    print("カードをセットしてください。")
    card = agent.tap()
    if card["state"] != "known":
        raise SystemExit(card["error"]["what"]["ja"] if card["error"] else "マイキーIDがありません。")
    account = card["balances"][0]
    print("MyKey ID", card["mykey_id"], account["name"], account["points"])

    proof = agent.prove(card, "use", account["account"], 500)
    if proof["state"] != "proved":
        raise SystemExit("proof: " + proof["state"])
    key = str(uuid.uuid4())  # one for each press of the button, kept until the sale is closed
    agent.use(key, card, account["account"], 500, proof)  # its answer is lost here …
    use = agent.call("GET", f"/v1/requests/{key}")["use"]  # … and asked for by its key
    print("used", use["points"], "balance", use["balance"])

    undone = agent.call("POST", f"/v1/requests/{key}/cancel")["use"]
    print("undone", undone["refunded"])
    paper = agent.call("POST", "/v1/prints", {"use": use["id"], "as": "escpos"}, str(uuid.uuid4()))["print"]
    print("printed", len(base64.b64decode(paper["data"])) > 0)


if __name__ == "__main__":
    main()
