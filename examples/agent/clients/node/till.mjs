// A till in Node that takes points: nothing to install.
//
//   MYNAKIT_AGENT_PIN=1234 agent -reader sim
//   node till.mjs
import { createHmac, randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { env, platform } from "node:process";

const NAME = "あおばPOS (Node)";

/** What the agent refused: code, and what and do in Japanese and English. */
export class AgentError extends Error {
  constructor(status, error) {
    super(`${error.code}: ${error.what.ja}${error.do.ja}`);
    Object.assign(this, { status, code: error.code, retry: error.retry });
  }
}

/** The agent's folder, of this user alone. */
function folder() {
  if (env.MYNAKIT_AGENT) return env.MYNAKIT_AGENT;
  let base = env.XDG_CONFIG_HOME || join(homedir(), ".config");
  if (platform === "win32") base = env.APPDATA;
  if (platform === "darwin") base = join(homedir(), "Library", "Application Support");
  return join(base, "mynakit", "agent");
}

export class Agent {
  /** keep is the file that this till keeps its token in. */
  static async open(keep) {
    const found = JSON.parse(readFileSync(join(folder(), "agent.json"), "utf8"));
    const agent = new Agent();
    agent.url = found.url;
    const nonce = randomUUID(); // who took the port of an agent that was killed does not know the secret, nor gets it
    const proof = createHmac("sha256", found.secret).update(nonce).digest("base64");
    if ((await agent.call("GET", `/v1/hello?nonce=${nonce}`)).proof !== proof) throw new Error("別のプログラムがエージェントのポートを使っています。");
    if (existsSync(keep)) {
      agent.token = readFileSync(keep, "utf8");
    } else { // a new till: a token of its own, once
      agent.token = (await agent.call("POST", "/v1/clients", { name: NAME, secret: found.secret })).token;
      writeFileSync(keep, agent.token, { mode: 0o600 });
    }
    return agent;
  }

  async call(method, path, body, key, timeout = 15) {
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (key) headers["Idempotency-Key"] = key;
    const answer = await fetch(this.url + path, {
      method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(timeout * 1000),
    });
    const got = await answer.json();
    if (!answer.ok) throw new AgentError(answer.status, got.error);
    return got;
  }

  /** Yields what happens, for ever. */
  async *events() {
    for (let after = ""; ;) {
      const got = await this.call("GET", `/v1/events?wait=25&after=${after}`, undefined, undefined, 40);
      after = got.last;
      yield* got.events;
    }
  }

  /** Waits for a card and returns it. */
  async tap() {
    for await (const event of this.events()) {
      const card = event.card ?? event.state?.card;
      if (card && ["state", "reset", "card.inserted"].includes(event.type) && card.state !== "reading") return card;
    }
  }

  /** Has the holder type the PIN in the agent's window. */
  async prove(card, act, account, points) {
    let { proof } = await this.call("POST", "/v1/proofs", { card: card.id, act, account, points });
    for await (const _ of this.events()) {
      ({ proof } = await this.call("GET", `/v1/proofs/${proof.id}`));
      if (!["waiting_pin", "checking"].includes(proof.state)) return proof;
    }
  }

  /** Takes points. Whatever is lost on the way, the key finds it again. */
  async use(key, card, account, points, proof) {
    for (let n = 0; n < 3; n++) {
      try {
        return (await this.call("POST", "/v1/uses", { card: card.id, account, points, proof: proof.id }, key)).use;
      } catch (e) { // the answer is lost: the same call again
        if (e instanceof AgentError) throw e;
      }
    }
    // Before the till takes other payment, it cancels: only that is final.
    await this.call("POST", `/v1/requests/${encodeURIComponent(key)}/cancel`);
    throw new Error("the agent does not answer; the use is cancelled");
  }
}

const agent = await Agent.open(env.TILL_TOKEN ?? "till.token");
console.log("カードをセットしてください。");
const card = await agent.tap();
if (card.state !== "known") throw new Error(card.error?.what.ja ?? "マイキーIDがありません。");
const [{ account, name, points }] = card.balances;
console.log("MyKey ID", card.mykey_id, name, points);

const proof = await agent.prove(card, "use", account, 500);
if (proof.state !== "proved") throw new Error(`proof: ${proof.state}`);
const key = randomUUID(); // one for each press of the button, kept until the sale is closed
await agent.use(key, card, account, 500, proof); // its answer is lost here …
const { use } = await agent.call("GET", `/v1/requests/${key}`); // … and asked for by its key
console.log("used", use.points, "balance", use.balance);

const { use: undone } = await agent.call("POST", `/v1/requests/${key}/cancel`);
console.log("undone", undone.refunded);
const { print } = await agent.call("POST", "/v1/prints", { use: use.id, as: "escpos" }, randomUUID());
console.log("printed", Buffer.from(print.data, "base64").length > 0);
