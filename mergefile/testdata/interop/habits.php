<?php
// Writes merge files as PHP programs make them, one for each habit, into the
// directory that is named first. Key and secret follow.
//
// A file X.habit has its key in X.key and its secret in X.secret, where they are
// others than those that were given.
[, $dir, $key, $secret] = $argv;
const ROWS = [['520625', 100, '20170512093000', 1], ['180000000011', 5100, '20170512093001', 2], ['1111111', 30, '20170512235959', 3]];
$iv = random_bytes(16);

function fields(array $r): array
{
    return [$r[0], (string) $r[1], $r[2] . sprintf('%06d', $r[3])];
}

function text(callable $line, string $end = "\r\n"): string
{
    return implode('', array_map(fn ($r) => $line($r) . $end, ROWS));
}

$md5 = fn (string $data) => md5($data . $secret);
$usual = fn ($r) => implode(',', [...fields($r), $md5(implode('', fields($r)))]);
$hash = fn (callable $of) => text(fn ($r) => implode(',', [...fields($r), $of(implode('', fields($r)))]));
$raw = fn (string $data, ?string $k = null) => openssl_encrypt($data, 'aes-128-cbc', $k ?? $key, OPENSSL_RAW_DATA, $iv);
$sealed = fn (string $data, ?string $k = null) => $iv . $raw($data, $k);
$plain = text($usual);

// What fputcsv writes: lines that end with LF, and quotes where it sees a need.
function csv(callable $row): string
{
    $out = fopen('php://memory', 'w+');
    foreach (ROWS as $r) {
        fputcsv($out, $row($r), ',', '"', '');
    }
    rewind($out);
    return stream_get_contents($out);
}

// mcrypt is gone, and its files are still made: zeros up to the block.
$zeros = $plain . str_repeat("\0", (16 - strlen($plain) % 16) % 16);
$japanese = '合算の鍵';
$habits = [
    'fputcsv' => $sealed(csv(fn ($r) => [...fields($r), $md5(implode('', fields($r)))])),
    'hash-upper' => $sealed($hash(fn ($s) => strtoupper($md5($s)))),
    'hash-hmac' => $sealed($hash(fn ($s) => hash_hmac('md5', $s, $secret))),
    'hash-base64' => $sealed($hash(fn ($s) => base64_encode(md5($s . $secret, true)))),
    'hash-front' => $sealed($hash(fn ($s) => md5($secret . $s))),
    'points-filled' => $sealed(text(function ($r) use ($md5) {
        $f = fields($r);
        $f[1] = str_pad($f[1], 9, '0', STR_PAD_LEFT);
        return implode(',', [...$f, $md5(implode('', $f))]);
    })),
    'two-columns' => $sealed(text(fn ($r) => implode(',', [$r[0], $r[1], $r[2], sprintf('%06d', $r[3]), $md5(implode('', fields($r)))]))),
    'no-last-end' => $sealed(rtrim($plain)),
    // A card number as it is printed is the holder, hyphens and all.
    'hyphens' => $sealed(text(function ($r) use ($md5) {
        $f = fields($r);
        $f[0] = substr($f[0], 0, 4) . '-' . substr($f[0], 4);
        return implode(',', [...$f, $md5(implode('', $f))]);
    })),
    'tabs' => $sealed(str_replace(',', "\t", $plain)),
    'secret-cp932' => $sealed(text(fn ($r) => implode(',', [...fields($r), md5(implode('', fields($r)) . iconv('UTF-8', 'CP932', $japanese))]))),
    'options-0' => base64_encode($iv) . ':' . openssl_encrypt($plain, 'aes-128-cbc', $key, 0, $iv),
    'base64-twice' => base64_encode(base64_encode($sealed($plain))),
    'chunk-split' => chunk_split(base64_encode($sealed($plain))),
    'base64-url' => rtrim(strtr(base64_encode($sealed($plain)), '+/', '-_'), '='),
    'bin2hex' => bin2hex($sealed($plain)),
    'mcrypt' => $iv . openssl_encrypt($zeros, 'aes-128-cbc', $key, OPENSSL_RAW_DATA | OPENSSL_ZERO_PADDING, $iv),
    'ecb' => openssl_encrypt($plain, 'aes-128-ecb', $key),
    'ctr' => $iv . openssl_encrypt($plain, 'aes-128-ctr', $key, OPENSSL_RAW_DATA, $iv),
    'iv-zero' => base64_encode(openssl_encrypt($plain, 'aes-128-cbc', $key, 0, str_repeat("\0", 16))),
    'iv-is-key' => openssl_encrypt($plain, 'aes-128-cbc', $key, 0, $key),
    'key-cut' => $sealed($plain, 'a key of more than sixteen letters'),
    'key-filled' => $sealed($plain, 'ten bytes!'),
    'key-md5' => $sealed($plain, md5($key, true)),
    'key-md5-hex' => $sealed($plain, md5($key)), // openssl_encrypt cuts it
    'key-sha256-hex' => $sealed($plain, substr(hash('sha256', $key), 0, 16)),
    'pbkdf2' => $sealed($plain, hash_pbkdf2('sha256', $key, 'pepper', 1000, 16, true)),
];
$others = [
    'secret-cp932.secret' => $japanese,
    'key-cut.key' => 'a key of more than sixteen letters',
    'key-filled.key' => 'ten bytes!',
];
// As Laravel and others write it.
$envelope = function (string $k, string $cipher) use ($plain, $iv) {
    $text = base64_encode($iv);
    $value = openssl_encrypt($plain, $cipher, $k, 0, $iv);
    return base64_encode(json_encode(['iv' => $text, 'value' => $value, 'mac' => hash_hmac('sha256', $text . $value, $k), 'tag' => '']));
};
$named = [
    'json' => $envelope($key, 'aes-128-cbc'),
    'quotes' => $sealed(csv(fn ($r) => [$r[0], number_format($r[1]), fields($r)[2], $md5(implode('', fields($r)))])),
    'gzip' => $sealed(gzencode($plain)),
    'aes256' => $iv . openssl_encrypt($plain, 'aes-256-cbc', hash('sha256', $key, true), OPENSSL_RAW_DATA, $iv),
    'sha256' => $sealed($hash(fn ($s) => hash('sha256', $s . $secret))),
    'lines' => implode('', array_map(fn ($r) => openssl_encrypt($usual($r), 'aes-128-cbc', $key, 0, $iv) . "\n", ROWS)),
];
foreach ([[$habits, '.habit'], [$others, ''], [$named, '.named']] as [$files, $end]) {
    foreach ($files as $name => $data) {
        file_put_contents("$dir/$name$end", $data);
    }
}
