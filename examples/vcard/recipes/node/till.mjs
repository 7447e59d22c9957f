// What is tested: a till that reads the serial number and checks a PIN. Put your
// own program in its place.
import { Reader } from './pcsc.mjs';

export class WrongPIN extends Error {
  constructor(left) {
    super(left + ' tries left');
    this.left = left;
  }
}

export class Till {
  static async tap(name) {
    const t = new Till();
    t.reader = await Reader.open(name);
    await t.send('00A4040C0AD392F000260100000001');
    return t;
  }

  close() { return this.reader.close(); }

  async send(hex) {
    const { data, status } = await this.reader.transmit(hex);
    if (status !== 0x9000) throw new Error(status.toString(16));
    return data;
  }

  async serial() {
    const head = await this.send('00B08A0024');
    return head.subarray(15, 15 + head[14]).toString('hex');
  }

  // verify sends the PIN once, and never when one try or none is left.
  async verify(pin) {
    const left = (await this.reader.transmit('00200098')).status & 0x0f;
    if (left <= 1) throw new WrongPIN(left);
    const hex = Buffer.from(pin).toString('hex');
    const { status } = await this.reader.transmit('00200098' + pin.length.toString(16).padStart(2, '0') + hex);
    if (status !== 0x9000) throw new WrongPIN(status >> 4 === 0x63c ? status & 0x0f : 0);
  }
}
