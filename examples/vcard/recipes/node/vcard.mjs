// A software Individual Number Card for tests: starts vcard and steers it. It
// needs vcard on the PATH, or its path in VCARD, and pcscd with vpcd.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { once } from 'node:events';

export class VCard {
  static async start(...flags) {
    const v = new VCard();
    v.process = spawn(process.env.VCARD ?? 'vcard', ['-addr', 'auto', '-control', '127.0.0.1:0', '-wait', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(createInterface(v.process.stdout), 'line');
    Object.assign(v, JSON.parse(line)); // control, reader
    return v;
  }

  async close() {
    this.process.kill();
    await once(this.process, 'exit');
  }

  async text(method, path, body) {
    const answer = await fetch(this.control + path, { method, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw Object.assign(new Error(text), JSON.parse(text).error);
    return text;
  }

  async call(method, path, body) { return JSON.parse(await this.text(method, path, body)); }

  // put makes another card, such as put({kind: 'expired', pins: {auth: {left: 1}}}).
  async put(card = {}) { return (await this.call('PUT', '/v1/card', card)).card; }
  async card() { return (await this.call('GET', '/v1/card')).card; }
  async faults(...rules) { return this.call('PUT', '/v1/faults', rules); }
  async mark(text = '') { return (await this.call('POST', '/v1/marks', { text })).n; }

  async log(after, only = {}) {
    const lines = await this.text('GET', '/v1/log?' + new URLSearchParams({ after, ...only }));
    return lines.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  // file is a certificate or a list in PEM, such as file('auth.crl').
  async file(name) { return this.text('GET', '/v1/authority/' + name); }
}
