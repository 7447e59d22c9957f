// A PC/SC client in a page, over the socket of pcscd: enough for these tests, and
// without a native module. A program has its own, such as the package pcsclite.
import net from 'node:net';
import os from 'node:os';

const path = process.env.PCSCLITE_CSOCK_NAME ?? '/run/pcscd/pcscd.comm';
const read32 = os.endianness() === 'LE' ? 'readUInt32LE' : 'readUInt32BE';
const write32 = os.endianness() === 'LE' ? 'writeUInt32LE' : 'writeUInt32BE';
const command = { establish: 1, release: 2, connect: 4, disconnect: 6, transmit: 9, version: 17, states: 18 };
const present = 4;

const words = (...values) => {
  const b = Buffer.alloc(4 * values.length);
  values.forEach((v, i) => b[write32](v, 4 * i));
  return b;
};

export class CardGone extends Error {}

export class Reader {
  #socket;
  #received = Buffer.alloc(0);
  #wake = () => {};
  #ended = false;

  // open waits until a card is in the reader and connects to it.
  static async open(name, limit = 30_000) {
    const r = new Reader();
    r.#socket = net.connect(path);
    r.#socket.on('data', (b) => { r.#received = Buffer.concat([r.#received, b]); r.#wake(); });
    r.#socket.on('error', () => {});
    r.#socket.on('close', () => { r.#ended = true; r.#wake(); });
    const version = await r.#call(command.version, words(4, 4, 0), 12);
    if (version[read32](8) !== 0) throw new Error('pcscd speaks another version');
    r.context = (await r.#call(command.establish, words(2, 0, 0), 12))[read32](4);
    for (const end = Date.now() + limit; !(await r.#states()).get(name); ) {
      if (Date.now() > end) throw new Error('no card in ' + name);
      await new Promise((done) => setTimeout(done, 10));
    }
    const body = Buffer.alloc(4 + 128 + 20);
    body[write32](r.context, 0);
    body.write(name, 4);
    body[write32](2, 132); // shared
    body[write32](3, 136); // T=0 or T=1
    const connected = await r.#call(command.connect, body, body.length);
    if (connected[read32](148) !== 0) throw new CardGone('connect: ' + connected[read32](148).toString(16));
    r.card = connected[read32](140);
    r.protocol = connected[read32](144);
    return r;
  }

  async #states() {
    const size = 184;
    const b = await this.#call(command.states, Buffer.alloc(0), 16 * size);
    const states = new Map();
    for (let at = 0; at < b.length; at += size) {
      const name = b.toString('latin1', at, at + 128).replace(/\0.*/s, '');
      if (name) states.set(name, (b[read32](at + 132) & present) !== 0);
    }
    return states;
  }

  async #read(n) {
    while (this.#received.length < n) {
      if (this.#ended) throw new Error('pcscd is gone');
      await new Promise((done) => { this.#wake = done; });
    }
    const b = this.#received.subarray(0, n);
    this.#received = this.#received.subarray(n);
    return b;
  }

  async #call(number, body, answer) {
    this.#socket.write(Buffer.concat([words(body.length, number), body]));
    return this.#read(answer);
  }

  // transmit sends a command in hexadecimal.
  async transmit(hex) {
    const bytes = Buffer.from(hex, 'hex');
    const head = words(this.card, this.protocol, 16, bytes.length, 3, 16, 65548, 0);
    this.#socket.write(Buffer.concat([words(head.length, command.transmit), head, bytes]));
    const answer = await this.#read(head.length);
    const result = answer[read32](28);
    const data = result === 0 ? await this.#read(answer[read32](24)) : Buffer.alloc(0);
    if (data.length < 2) throw new CardGone(result.toString(16));
    return { data: data.subarray(0, -2), status: data.readUInt16BE(data.length - 2) };
  }

  async close() {
    await this.#call(command.disconnect, words(this.card, 2, 0), 12); // unpower
    await this.#call(command.release, words(this.context, 0), 8);
    this.#socket.destroy();
  }
}
