// merge.js writes and reads merge files as a JavaScript programmer would who
// was given the profile in words. It is the other end in the interoperability
// tests, and uses Node's crypto alone.
//
//   node merge.js seal|open PROFILE KEY SECRET IN OUT
//
// The rows are holder,points,transaction, one a line.
'use strict';
const crypto = require('crypto');
const fs = require('fs');

const [task, profile, key, secret, input, output] = process.argv.slice(2);
const lineEnd = profile.startsWith('OpenSSL') ? '\n' : '\r\n';
const literal = profile !== 'Standard' && profile !== 'Envelope';

function hash(row) {
  const joined = literal ? row.replaceAll(',', '') + secret : `${row},${secret}`;
  const hex = crypto.createHash('md5').update(joined).digest('hex');
  return profile === 'DotNetDefault' ? hex.toUpperCase() : hex;
}

function text(rows) {
  return rows.split('\n').filter(Boolean).map((row) => `${row},${hash(row)}${lineEnd}`).join('');
}

function rows(text) {
  if (!text.endsWith(lineEnd)) throw new Error('no line end at the end');
  return text.slice(0, -lineEnd.length).split(lineEnd).map((line) => {
    const cut = line.lastIndexOf(',');
    if (hash(line.slice(0, cut)) !== line.slice(cut + 1)) throw new Error('hash');
    return `${line.slice(0, cut)}\n`;
  }).join('');
}

// derived gives key and IV of "openssl enc" for a passphrase and a salt.
function derived(salt) {
  if (profile === 'OpenSSLPBKDF2') return crypto.pbkdf2Sync(key, salt, 10000, 32, 'sha256');
  const md5 = (...parts) => crypto.createHash('md5').update(Buffer.concat(parts)).digest();
  const first = md5(Buffer.from(key), salt);
  return Buffer.concat([first, md5(first, Buffer.from(key), salt)]);
}

function rawKey() {
  const b = Buffer.from(key);
  if (profile !== 'MySQL') return b;
  const folded = Buffer.alloc(16);
  b.forEach((c, i) => { folded[i % 16] ^= c; });
  return folded;
}

// sealer gives what an envelope of one segment is sealed under.
function sealer(header) {
  const master = crypto.hkdfSync('sha256', rawKey(), '', 'mynakit mergefile envelope 1', 32);
  const fileKey = crypto.createHmac('sha256', Buffer.from(master)).update(header).digest().subarray(0, 16);
  const nonce = Buffer.alloc(12);
  nonce[11] = 1;
  return [fileKey, nonce];
}

const run = (c, data) => Buffer.concat([c.update(data), c.final()]);

function encrypt(data) {
  switch (profile) {
    case 'JavaDefault':
    case 'MySQL':
      return run(crypto.createCipheriv('aes-128-ecb', rawKey(), null), data);
    case 'DotNetDefault':
      return run(crypto.createCipheriv('aes-128-cbc', rawKey(), Buffer.alloc(16)), data);
    case 'OpenSSLMD5':
    case 'OpenSSLPBKDF2': {
      const salt = crypto.randomBytes(8);
      const d = derived(salt);
      return Buffer.concat([Buffer.from('Salted__'), salt,
        run(crypto.createCipheriv('aes-128-cbc', d.subarray(0, 16), d.subarray(16)), data)]);
    }
    case 'Envelope': {
      const header = Buffer.concat([Buffer.from('MKMERGE\x01\x02k1'), crypto.randomBytes(16)]);
      const [fileKey, nonce] = sealer(header);
      const c = crypto.createCipheriv('aes-128-gcm', fileKey, nonce);
      c.setAAD(header);
      return Buffer.concat([header, run(c, data), c.getAuthTag()]);
    }
    default: {
      const iv = crypto.randomBytes(16);
      return Buffer.concat([iv, run(crypto.createCipheriv('aes-128-cbc', rawKey(), iv), data)]);
    }
  }
}

function decrypt(file) {
  switch (profile) {
    case 'JavaDefault':
    case 'MySQL':
      return run(crypto.createDecipheriv('aes-128-ecb', rawKey(), null), file);
    case 'DotNetDefault':
      return run(crypto.createDecipheriv('aes-128-cbc', rawKey(), Buffer.alloc(16)), file);
    case 'OpenSSLMD5':
    case 'OpenSSLPBKDF2': {
      const d = derived(file.subarray(8, 16));
      return run(crypto.createDecipheriv('aes-128-cbc', d.subarray(0, 16), d.subarray(16)), file.subarray(16));
    }
    case 'Envelope': {
      const header = file.subarray(0, 8 + 1 + file[8] + 16);
      const [fileKey, nonce] = sealer(header);
      const c = crypto.createDecipheriv('aes-128-gcm', fileKey, nonce);
      c.setAAD(header);
      c.setAuthTag(file.subarray(-16));
      return run(c, file.subarray(header.length, -16));
    }
    default:
      return run(crypto.createDecipheriv('aes-128-cbc', rawKey(), file.subarray(0, 16)), file.subarray(16));
  }
}

const data = fs.readFileSync(input);
if (task === 'seal') fs.writeFileSync(output, encrypt(Buffer.from(text(data.toString('latin1')), 'latin1')));
else fs.writeFileSync(output, rows(decrypt(data).toString('latin1')));
