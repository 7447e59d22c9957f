// The panel: one look at the card, and every exchange as it goes by.
import * as w from './words.js';

const $ = (id) => document.getElementById(id);
const base = new URL('.', location.href); // of this slot
let lang = navigator.language.startsWith('ja') ? 0 : 1;
if (new URLSearchParams(location.search).has('lang')) lang = new URLSearchParams(location.search).get('lang') === 'ja' ? 0 : 1;
let names = { kinds: [], faults: [], pins: [] };
let card, reader = '', rules = [], last = 0, shown = [];
const keep = 1000; // lines shown

const t = (word, n) => w.words[word][lang].replace('%', n);
const of = (table, name) => (table[name] ?? [name, name])[lang];

function element(name, classes, ...children) {
  const e = document.createElement(name);
  if (classes) e.className = classes;
  e.append(...children.filter((c) => c !== '' && c !== null && c !== undefined));
  return e;
}

async function call(method, path, body) {
  const answer = await fetch(new URL('v1/' + path, base), { method, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(JSON.parse(text).error.text);
  return text;
}

// act carries out what a button is for.
async function act(method, path, body) {
  $('error').hidden = true;
  for (const b of document.querySelectorAll('.steer button')) b.disabled = true;
  try {
    await call(method, path, body);
  } catch (e) {
    $('error').textContent = e.message;
    $('error').hidden = false;
  }
  for (const b of document.querySelectorAll('.steer button')) b.disabled = false;
  await look();
}

async function look() {
  const [c, f] = await Promise.all([call('GET', 'card'), call('GET', 'faults')]);
  ({ card, reader } = JSON.parse(c));
  rules = JSON.parse(f);
  showCard();
}

function showCard() {
  $('place').textContent = reader;
  $('card').className = card.inserted ? 'in' : 'out';
  $('state').textContent = of(w.kinds, card.kind) + ' – ' +
    (card.inserted ? t('inserted') + (card.powered ? ' (' + t('powered') + ')' : '') : t('removed'));
  $('who').textContent = `${card.person.name}  ${card.person.birth}`;
  $('serials').textContent = t('serial') + ': ' + Object.entries(card.serials).map(([k, v]) => `${k} ${v}`).join(', ');
  $('insert').disabled = card.inserted;
  $('remove').disabled = !card.inserted;
  const rows = names.pins.filter((p) => card.pins[p]).map((name) => {
    const p = card.pins[name];
    const input = element('input');
    Object.assign(input, { type: 'number', min: 0, max: p.tries, value: p.left, title: t('setLeft'), id: 'left-' + name });
    input.setAttribute('aria-label', of(w.pins, name) + ' ' + t('setLeft'));
    input.addEventListener('change', () => act('PATCH', 'card', { pins: { [name]: { left: Number(input.value) } } }));
    const said = p.left === 0 ? t('blocked') : p.verified ? t('verified') : t('left', p.left);
    const row = element('tr', p.left === 0 ? 'blocked' : p.verified ? 'verified' : '',
      element('td', '', of(w.pins, name)), element('td', 'value', p.value), element('td', 'left', said), element('td', '', input));
    row.dataset.pin = name;
    return row;
  });
  const numbers = rows.filter((row) => /_/.test(row.dataset.pin));
  for (const [table, list] of [[$('pins'), rows.filter((row) => !numbers.includes(row))], [$('numbers'), numbers]]) {
    if (!table.contains(document.activeElement)) table.tBodies[0].replaceChildren(...list);
  }
  $('numbers').parentElement.hidden = numbers.length === 0;
  $('rules').replaceChildren(...rules.map((r) => element('li', r.applied ? 'applied' : '',
    [of(w.faults, r.do), r.sw, r.name, r.nth ? t('nthRule', r.nth) : '', t('applied', r.applied)].filter(Boolean).join(' · '))));
}

function describe(l) {
  const li = element('li', '', element('span', 'n', String(l.n)));
  li.dataset.event = l.event;
  if (l.event !== 'exchange') {
    li.classList.add(l.event === 'mark' ? 'mark' : 'event');
    const text = w.events[l.event] ?? [l.event, l.event];
    li.append(element('span', '', `${text[lang]} / ${text[1 - lang]}${l.text ? ': ' + l.text : ''}`), element('span', 'us', l.at.slice(11, 23)));
    return li;
  }
  if (l.fault) li.classList.add('fault');
  else if (l.presented) li.classList.add('presented');
  const name = w.commands[l.name === 'VERIFY' && !l.presented ? 'VERIFY?' : l.name];
  const where = [l.app && of(w.apps, l.app), l.file && (w.files[`${l.app} ${l.file}`]?.[lang] ?? l.file)].filter(Boolean).join(' · ');
  const sizes = [l.lc && 'Lc ' + l.lc, l.le && t('expected', l.le), l.length && t('bytes', l.length)].filter(Boolean).join(', ');
  const middle = element('span', '', element('span', 'name', `${l.name}${name ? ` ${name[lang]} / ${name[1 - lang]}` : ''}`), ' ',
    element('span', 'head', l.head ?? ''),
    element('span', 'note', [l.pin && of(w.pins, l.pin), where, sizes].filter(Boolean).join(' – ')));
  const right = element('span', 'sw');
  const said = (sw) => element('span', sw === '9000' ? 'good' : 'bad', element('b', '', sw), ' ', w.status(sw)[lang]);
  if (l.sw === null) right.append(element('span', 'bad', t('noReply')));
  else if (l.sw.startsWith('torn')) right.append(element('span', 'bad', t('torn', l.sw.slice(8))));
  else right.append(said(l.sw));
  if (l.fault) right.append(element('span', 'note bad', of(w.faults, l.fault)));
  if (l.card_sw === null) right.append(element('span', 'note', t('notSeen')));
  else if (l.card_sw !== l.sw) right.append(element('span', 'note', t('cardSaid', l.card_sw)));
  right.append(element('span', 'note us', (l.us / 1000).toFixed(1) + ' ms'));
  li.append(middle, right);
  return li;
}

// watch shows the log as it grows.
async function watch() {
  for (;;) {
    try {
      const lines = (await call('GET', `log?after=${last}&wait=25`)).split('\n').filter(Boolean).map((l) => JSON.parse(l));
      $('lost').hidden = true;
      if (lines.length === 0) continue;
      last = lines.at(-1).n;
      shown = [...shown, ...lines].slice(-keep);
      $('log').append(...lines.slice(-keep).map(describe));
      while ($('log').childElementCount > keep) $('log').firstChild.remove();
      if ($('follow').checked) $('log').scrollTop = $('log').scrollHeight;
      await look();
    } catch {
      $('lost').hidden = false;
      last = 0; // vcard may have begun anew
      await new Promise((done) => setTimeout(done, 1000));
      empty();
    }
  }
}

function empty() {
  shown = [];
  $('log').replaceChildren();
}

// speak writes every word in the language that is chosen.
function speak() {
  document.documentElement.lang = lang === 0 ? 'ja' : 'en';
  for (const e of document.querySelectorAll('[data-t]')) e.textContent = t(e.dataset.t);
  document.title = t('title') + ' – vcard';
  $('lang').textContent = t('other');
  const options = (select, list) => {
    const chosen = select.value;
    select.replaceChildren(...list.map(([value, text]) => Object.assign(element('option', '', text), { value })));
    if (list.some(([value]) => value === chosen)) select.value = chosen;
  };
  options($('kind'), names.kinds.map((k) => [k, of(w.kinds, k)]));
  options($('do'), names.faults.map((f) => [f, of(w.faults, f)]));
  options($('command'), [['', t('any')], ['pin', t('pinSent')], ...Object.keys(w.commands).filter((c) => !/[?]|malformed/.test(c)).map((c) => [c, c])]);
  needs();
}

// needs shows the field that the chosen fault needs.
function needs() {
  const value = w.values[$('do').value];
  $('value-label').hidden = !value;
  if (value) {
    $('value-name').textContent = value[1][lang];
    $('value').value = value[2];
  }
}

$('lang').addEventListener('click', () => {
  lang = 1 - lang;
  speak();
  showCard();
  $('log').replaceChildren(...shown.map(describe));
});
$('insert').addEventListener('click', () => act('POST', 'card/insert'));
$('remove').addEventListener('click', () => act('POST', 'card/remove'));
$('reset').addEventListener('click', () => act('POST', 'reset'));
$('mark').addEventListener('click', () => act('POST', 'marks', {}));
$('empty').addEventListener('click', empty);
$('clear').addEventListener('click', () => act('PUT', 'faults', []));
$('do').addEventListener('change', needs);
$('change').addEventListener('submit', (e) => {
  e.preventDefault();
  act('PUT', 'card', { kind: $('kind').value, holder: Number($('holder').value) });
});
$('fault').addEventListener('submit', (e) => {
  e.preventDefault();
  const rule = { do: $('do').value, nth: Number($('nth').value) };
  const value = w.values[rule.do];
  if (value) rule[value[0]] = value[0] === 'sw' ? $('value').value : Number($('value').value);
  if (rule.do === 'garble') rule.mask = 255;
  const command = $('command').value;
  if (command === 'pin') rule.presented = true;
  else if (command) rule.name = command;
  act('PUT', 'faults', [rule]);
});
$('speed').addEventListener('submit', (e) => {
  e.preventDefault();
  act('PUT', 'link', { delay_ms: Number($('delay').value) });
});

names = JSON.parse(await call('GET', 'names'));
speak();
$('do').value = 'torn';
needs();
await look();
watch();
