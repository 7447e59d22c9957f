// The tests that a program for the card should pass. Run: node --test
import { after, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { CardGone } from './pcsc.mjs';
import { Till, WrongPIN } from './till.mjs';
import { VCard } from './vcard.mjs';

let vcard;
before(async () => { vcard = await VCard.start(); });
after(() => vcard.close());
beforeEach(() => vcard.call('POST', '/v1/reset'));

// tapped runs f with a till that has the card.
async function tapped(f) {
  const till = await Till.tap(vcard.reader);
  try {
    return await f(till);
  } finally {
    await till.close();
  }
}

test('serial', async () => {
  assert.equal(await tapped((t) => t.serial()), '030d45'); // the first sample holder's, always
});

test('wrong PIN', async () => {
  const mark = await vcard.mark();
  await assert.rejects(tapped((t) => t.verify('9999')), (e) => e instanceof WrongPIN && e.left === 2);
  assert.equal((await vcard.log(mark, { presented: true })).length, 1); // exactly one VERIFY was sent
  assert.equal((await vcard.card()).pins.auth.left, 2);
});

test('blocked', async () => {
  await vcard.put({ pins: { auth: { left: 0 } } });
  await assert.rejects(tapped((t) => t.verify('1234')), (e) => e instanceof WrongPIN && e.left === 0);
});

test('expired', async () => {
  const ends = async () => new Date(new X509Certificate(await vcard.file('auth.pem')).validTo);
  await vcard.put({ kind: 'expired' });
  assert.ok(await ends() < new Date());
  await vcard.put();
  assert.ok(await ends() > new Date());
});

test('revoked', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'card'));
  const verify = async () => {
    for (const name of ['auth.pem', 'authca.pem', 'auth.crl']) writeFileSync(join(dir, name), await vcard.file(name));
    execFileSync('openssl', ['verify', '-crl_check', '-CAfile', 'authca.pem', '-CRLfile', 'auth.crl', 'auth.pem'], { cwd: dir, stdio: 'pipe' });
  };
  try {
    await vcard.put({ kind: 'revoked' });
    await assert.rejects(verify(), (e) => e.stderr.includes('certificate revoked'));
    await vcard.call('PATCH', '/v1/card', { revoked: null });
    await verify();
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('removed in the middle', async () => {
  await vcard.faults({ do: 'remove_after', name: 'VERIFY', presented: true });
  const mark = await vcard.mark();
  await assert.rejects(tapped((t) => t.verify('9999')), CardGone);
  assert.equal((await vcard.call('GET', '/v1/faults'))[0].applied, 1);
  assert.equal((await vcard.card()).pins.auth.left, 2); // the card had seen it
  assert.equal((await vcard.log(mark, { presented: true })).length, 1);
  await vcard.faults();
  await vcard.call('POST', '/v1/card/insert');
  assert.equal(await tapped((t) => t.serial()), '030d45');
});

test('slow', async () => {
  await tapped(async (t) => {
    await vcard.call('PUT', '/v1/link', { delay_ms: 300 });
    const start = performance.now();
    await t.serial();
    assert.ok(performance.now() - start >= 300);
    await vcard.call('PUT', '/v1/link', {});
  });
});
