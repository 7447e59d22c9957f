// Writes merge files as Node programs make them, one for each habit, into the
// directory that is named first. Key and secret follow.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const [dir, key, secret] = process.argv.slice(2);
const rows = [['520625', 100, '20170512093000', 1], ['180000000011', 5100, '20170512093001', 2], ['1111111', 30, '20170512235959', 3]];
const md5 = (data) => crypto.createHash('md5').update(data);
const number = (r) => r[2] + String(r[3]).padStart(6, '0');
const plain = (r) => r[0] + r[1] + number(r);
const text = ({ line, end = '\r\n', tail = '' }) => rows.map(line).join(end) + end + tail;
const usual = (r) => [r[0], r[1], number(r), md5(plain(r) + secret).digest('hex')].join(',');
const iv = crypto.randomBytes(16);
const cipher = (name, k, v, data) => {
  const c = crypto.createCipheriv(name, k, v);
  return Buffer.concat([c.update(data), c.final()]);
};
const sealed = (data) => Buffer.concat([iv, cipher('aes-128-cbc', key, iv, data)]);

const habits = {
  'hash-base64': sealed(text({ line: (r) => [r[0], r[1], number(r), md5(plain(r) + secret).digest('base64').replace(/=+$/, '')].join(',') })),
  'hash-utf16': sealed(text({ line: (r) => [r[0], r[1], number(r), md5(Buffer.from(plain(r) + secret, 'utf16le')).digest('hex')].join(',') })),
  'hash-hmac': sealed(text({ line: (r) => [r[0], r[1], number(r), crypto.createHmac('md5', secret).update(plain(r)).digest('hex')].join(',') })),
  'hash-bytes': sealed(text({ line: (r) => [r[0], r[1], number(r), [...md5(plain(r) + secret).digest()].map((b) => b.toString(16)).join('')].join(',') })),
  'hash-bigint': sealed(text({ line: (r) => [r[0], r[1], number(r), BigInt('0x' + md5(plain(r) + secret).digest('hex')).toString(16)].join(',') })),
  'pipes': sealed(text({ line: (r) => usual(r).replaceAll(',', '|') })),
  'comma-space': sealed(text({ line: (r) => usual(r).replaceAll(',', ', ') })),
  'trailing': sealed(text({ line: (r) => usual(r) + ',' })),
  'ctrl-z': sealed(text({ line: usual, tail: '\x1a' })),
  'empty-line': sealed(text({ line: usual, tail: '\r\n' })),
  'cr': sealed(text({ line: usual, end: '\r' })),
  'columns': sealed(text({ line: (r) => [r[0], r[1], r[2].slice(0, 8), r[2].slice(8), String(r[3]).padStart(6, '0'), md5(plain(r) + secret).digest('hex')].join(',') })),
  'excel': sealed(text({ line: (r) => usual(r).replace(/^[^,]*/, (id) => `="${id}"`) })),
  'plus': sealed(text({ line: (r) => usual(r).replace(',' + r[1] + ',', ',+' + r[1] + ',').replace(/[0-9a-f]{32}$/, md5(r[0] + '+' + r[1] + number(r) + secret).digest('hex')) })),
  'utf16-file': sealed(Buffer.from('\ufeff' + text({ line: (r) => usual(r).replaceAll(',', '\t') }), 'utf16le')),
  'iv-colon-hex': iv.toString('hex') + ':' + cipher('aes-128-cbc', key, iv, text({ line: usual })).toString('hex'),
  'iv-dot-base64': iv.toString('base64') + '.' + cipher('aes-128-cbc', key, iv, text({ line: usual })).toString('base64'),
  'base64url': sealed(text({ line: usual })).toString('base64url'),
  'base64-twice': Buffer.from(sealed(text({ line: usual })).toString('base64')).toString('base64'),
  'iv-behind': Buffer.concat([cipher('aes-128-cbc', key, iv, text({ line: usual })), iv]),
  'ofb': Buffer.concat([iv, cipher('aes-128-ofb', key, iv, text({ line: usual }))]),
  'nonce': Buffer.concat([iv.subarray(0, 8), cipher('aes-128-ctr', key, Buffer.concat([iv.subarray(0, 8), Buffer.alloc(8)]), text({ line: usual }))]),
  'key-sha256': Buffer.concat([iv, cipher('aes-128-cbc', crypto.createHash('sha256').update(key).digest().subarray(0, 16), iv, text({ line: usual }))]),
  'key-sha256-hex': Buffer.concat([iv, cipher('aes-128-cbc', crypto.createHash('sha256').update(key).digest('hex').slice(0, 16), iv, text({ line: usual }))]),
  'key-md5-hex': Buffer.concat([iv, cipher('aes-128-cbc', md5(key).digest('hex').slice(0, 16), iv, text({ line: usual }))]),
  'pbkdf2-sha1': Buffer.concat([iv, cipher('aes-128-cbc', crypto.pbkdf2Sync(key, 'pepper', 1000, 16, 'sha1'), iv, text({ line: usual }))]),
};
for (const [name, data] of Object.entries(habits)) {
  fs.writeFileSync(path.join(dir, name + '.habit'), data);
}
