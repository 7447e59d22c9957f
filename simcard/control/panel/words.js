// The panel's words. A list is [Japanese, English].
export const words = {
  title: ['見本のカード', 'Software card'],
  other: ['English', '日本語'],
  lost: ['vcardとの接続が切れました。', 'The connection to vcard is lost.'],
  inserted: ['カードリーダーにセットされています', 'In the reader'],
  powered: ['通電中', 'powered'],
  removed: ['取り外されています', 'Taken out'],
  noReader: ['カードリーダーを待っています', 'Waiting for the reader'],
  serial: ['発行番号', 'serial'],
  insert: ['セットする', 'Insert'],
  remove: ['取り外す', 'Take out'],
  reset: ['最初の状態に戻す', 'Reset all'],
  another: ['別のカードにする', 'Another card'],
  kind: ['種類', 'Kind'],
  holder: ['架空の人物の番号', 'Holder number'],
  put: ['このカードをセットする', 'Insert this card'],
  pins: ['暗証番号', 'PINs'],
  numbers: ['照合番号', 'Numbers on the card'],
  left: ['残り%回', '% left'],
  blocked: ['ロックされています', 'blocked'],
  verified: ['照合済み', 'verified'],
  setLeft: ['残り回数', 'Tries left'],
  faults: ['障害を起こす', 'Faults'],
  what: ['障害', 'What happens'],
  command: ['コマンド', 'Command'],
  any: ['すべて', 'any'],
  pinSent: ['VERIFY（暗証番号あり）', 'VERIFY with a PIN'],
  nth: ['何回目の送受信か（0は毎回）', 'Which exchange (0: each)'],
  setFault: ['設定する', 'Set'],
  clear: ['すべて取り消す', 'Clear all'],
  applied: ['%回起きました', 'applied % times'],
  nthRule: ['%回目', 'no. %'],
  speed: ['速さ', 'Speed'],
  delay: ['送受信ごとの遅れ（ミリ秒）', 'Delay of each exchange (ms)'],
  setSpeed: ['設定する', 'Set'],
  exchanges: ['コマンドの送受信', 'Exchanges'],
  follow: ['新しい行を追う', 'Follow'],
  mark: ['目印をつける', 'Set a mark'],
  empty: ['表示を消す', 'Clear view'],
  notSeen: ['カードには届いていません', 'the card never saw it'],
  noReply: ['応答なし', 'no reply'],
  torn: ['応答が%バイトで途切れました', 'reply torn, bytes: %'],
  cardSaid: ['カードの応答は%', 'the card said %'],
  bytes: ['%バイト', '% bytes'],
  expected: ['期待%バイト', 'Le %'],
};

export const kinds = {
  plastic: ['マイナンバーカード', 'plastic card'],
  android: ['スマートフォン（Android）', 'Android phone'],
  iphone: ['スマートフォン（iPhone）', 'iPhone'],
  juki: ['住基カード', 'card before 2016'],
  child: ['15歳未満のマイナンバーカード', "child's card"],
  pinless: ['顔認証マイナンバーカード', 'card without PINs'],
  expired: ['有効期限切れ', 'expired'],
  revoked: ['失効した電子証明書', 'revoked'],
  'foreign-resident': ['外国人住民', 'foreign resident'],
  residence: ['特定在留カード', 'residence card'],
  'next-generation-plan': ['次期カード（計画）', 'next card (a plan)'],
};

export const pins = {
  auth: ['利用者証明用', 'user authentication'],
  sign: ['署名用', 'digital signature'],
  text: ['券面事項入力補助用', 'card-face text'],
  common: ['住民基本台帳用（共通）', 'common application'],
  juki: ['住民基本台帳用（住基）', 'resident register'],
  text_number_a: ['照合番号A（入力補助）', 'number A (text)'],
  text_number_b: ['照合番号B（入力補助）', 'number B (text)'],
  visual_number_a: ['照合番号A（券面）', 'number A (visual)'],
  visual_number_b: ['照合番号B（券面）', 'number B (visual)'],
  birth_key: ['生年月日', 'birth date key'],
  licence: ['マイナ免許証', 'licence'],
};

export const faults = {
  remove: ['届く前にカードが外れる', 'taken out before the card sees it'],
  remove_after: ['実行した後にカードが外れる', 'taken out after the card has done it'],
  vanish: ['実行した後に外れ、空の応答になる', 'taken out after it, with an empty reply'],
  fail: ['届く前にカードリーダーが失敗する', 'the reader fails before it'],
  fail_after: ['実行した後にカードリーダーが失敗する', 'the reader fails after it'],
  status: ['実行せずにステータスワードを返す', 'a status word, and nothing done'],
  overrule: ['実行して別のステータスワードを返す', 'done, with another status word'],
  torn: ['応答が途切れる', 'the reply is torn'],
  half: ['応答の後半が欠ける', 'half of the reply is missing'],
  long: ['応答が長すぎる', 'the reply is too long'],
  garble: ['応答が化ける', 'the reply is garbled'],
  pieces: ['応答を小分けにする（61xx）', 'the reply in pieces (61xx)'],
  right_le: ['正しいLeを求める（6Cxx）', 'asks for the right Le (6Cxx)'],
  delay: ['応答が遅れる', 'the reply is late'],
  silence: ['応答しない', 'no answer at all'],
  pass: ['何も起こさない', 'nothing happens'],
};

// What a fault needs beside its name: the field, its label, a first value.
export const values = {
  status: ['sw', ['ステータスワード', 'Status word'], '6F00'],
  overrule: ['sw', ['ステータスワード', 'Status word'], '6F00'],
  torn: ['bytes', ['何バイトまで届くか', 'Bytes that arrive'], '1'],
  pieces: ['bytes', ['一度に何バイトか', 'Bytes at a time'], '64'],
  delay: ['ms', ['ミリ秒', 'Milliseconds'], '2000'],
  garble: ['at', ['何バイト目か（0から）', 'Which byte (from 0)'], '0'],
};

export const commands = {
  'SELECT': ['選択', 'select'],
  'READ BINARY': ['読み取り', 'read a file'],
  'READ RECORD': ['レコードの読み取り', 'read a record'],
  'GET DATA': ['データオブジェクトの取得', 'get a data object'],
  'GET CHALLENGE': ['乱数の取得', 'get random bytes'],
  'GET RESPONSE': ['応答の続きの取得', 'get the rest of the reply'],
  'VERIFY': ['照合', 'present a PIN'],
  'VERIFY?': ['残り回数の確認', 'ask for the tries left'],
  'CHANGE REFERENCE DATA': ['暗証番号の変更', 'change a PIN'],
  'CHANGE KEY': ['暗証番号の変更', 'change a PIN'],
  'PERFORM SECURITY OPERATION': ['署名', 'sign'],
  'INTERNAL AUTHENTICATE': ['内部認証', 'authenticate the card'],
  'EXTERNAL AUTHENTICATE': ['外部認証', 'authenticate the terminal'],
  'RESET RETRY COUNTER': ['残り回数の初期化', 'reset the tries'],
  'malformed command': ['形式の誤ったコマンド', 'not a command'],
};

export const events = {
  inserted: ['カードがセットされました', 'card inserted'],
  removed: ['カードが外れました', 'card taken out'],
  power_on: ['電源オン', 'power on'],
  power_off: ['電源オフ（照合済みの状態は終わります）', 'power off (ends what is verified)'],
  reset: ['リセット', 'warm reset'],
  changed: ['暗証番号・失効の設定を変更しました', 'card changed'],
  waiting: ['カードリーダーを待っています', 'waiting for the reader'],
  reader_gone: ['カードリーダーがなくなりました', 'the reader went away'],
  no_power: ['通電していないカードへのコマンドです', 'a command without power'],
  state_not_saved: ['状態を保存できませんでした', 'the state could not be saved'],
  lost: ['古い行は残っていません', 'older lines are no longer kept'],
  mark: ['目印', 'mark'],
};

export const apps = {
  jpki: ['公的個人認証AP', 'JPKI'],
  text: ['券面事項入力補助AP', 'text'],
  visual: ['券面事項確認AP', 'visual'],
  common: ['共通カードAP', 'common'],
  juki: ['住基AP', 'juki'],
  licence: ['免許証AP', 'licence'],
};

export const files = {
  'jpki 0001': ['署名用電子証明書', 'certificate for digital signature'],
  'jpki 0002': ['署名用認証局の証明書', 'CA certificate, sign'],
  'jpki 0006': ['トークン情報', 'token information'],
  'jpki 0008': ['電子証明書の有無', 'which certificates are there'],
  'jpki 000A': ['利用者証明用電子証明書', 'certificate for user authentication'],
  'jpki 000B': ['利用者証明用認証局の証明書', 'CA certificate, auth'],
  'jpki 0017': ['利用者証明用の秘密鍵', 'private key, auth'],
  'jpki 0018': ['利用者証明用の暗証番号', 'auth PIN'],
  'jpki 001A': ['署名用の秘密鍵', 'private key, sign'],
  'jpki 001B': ['署名用の暗証番号', 'sign PIN'],
  'text 0001': ['個人番号', 'My Number'],
  'text 0002': ['基本4情報', 'name, address, birth date, sex'],
  'text 0011': ['券面事項入力補助用の暗証番号', 'text PIN'],
  'visual 0002': ['券面・顔写真', 'face of the card'],
  'common 0001': ['カードの番号・市区町村・有効期限', 'card number, municipality, expiry'],
};

// The meaning of a status word, by its first digits.
const statuses = [
  ['9000', ['成功', 'success']],
  ['63C0', ['ロックされています', 'blocked']],
  ['63C', ['残り%回', '% tries left']],
  ['61', ['続きがあります', 'more data']],
  ['6581', ['メモリーの障害', 'memory failure']],
  ['6700', ['長さの誤り', 'wrong length']],
  ['6981', ['ファイルの種類が違います', 'not a file of that sort']],
  ['6982', ['先に照合が必要です', 'a PIN is needed first']],
  ['6983', ['ロックされています', 'blocked']],
  ['6984', ['ロックされています', 'blocked']],
  ['6985', ['条件を満たしていません', 'conditions not met']],
  ['6986', ['ファイルが選択されていません', 'no file selected']],
  ['6A80', ['データの誤り', 'wrong data']],
  ['6A82', ['AP・ファイルがありません', 'no such application or file']],
  ['6A83', ['レコードがありません', 'no such record']],
  ['6A86', ['P1・P2の誤り', 'wrong P1 or P2']],
  ['6A88', ['データがありません', 'no such data']],
  ['6B00', ['ファイルの終わりを越えています', 'behind the end of the file']],
  ['6C', ['正しいLeがあります', 'another Le is right']],
  ['6D00', ['このコマンドはありません', 'no such command']],
  ['6E00', ['このクラスはありません', 'no such class']],
  ['6F00', ['原因不明の失敗', 'no precise diagnosis']],
];

export function status(sw) {
  for (const [start, text] of statuses) {
    if (sw.startsWith(start)) return text.map((t) => t.replace('%', parseInt(sw[3], 16)));
  }
  return ['', ''];
}
