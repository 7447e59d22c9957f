// Package mergefile reads and writes the encrypted merge files (合算ポイント
// ファイル) that carry points from the municipal point cloud to a shopping
// mall's own point system.
//
// Source: システム設計書(活用マニュアル概要) III.14, III.15 and III.17.
//
// # What is in a file
//
// A merge file holds [Record] values: who gets points ([Holder], a mall point
// ID or a MyKey ID), how many, and a [Transaction] number that no two records
// share. Each record ends with MD5 over the three and a secret string, and the
// file is encrypted with AES-128. The document says no more than that. Padding,
// IV, joining, encoding and all the rest are a [Profile], which both ends must
// share: [Standard] if you are free to choose, another preset if the other end
// has its language's habits, and [ProbeForDeveloper] if all that you were given
// is a file, a key and a secret.
//
// # Reading
//
// [NewReader] verifies the whole file before it gives out the first record, in
// memory that does not grow with the file. [NewProvisionalReader] is for a stream that can neither be read
// twice nor spooled: nothing that is done with its records may be committed
// before Close has returned nil.
//
// Whatever is wrong with a file, the error is [ErrInvalid], and the work done
// is that for a good file of the same length. AES without authentication and a
// reader that tells more than yes or no add up to a decryption service for
// whoever can put files in front of it. [DiagnoseForDeveloper] says what is
// wrong, at a developer's desk.
//
// # Writing
//
// [NewWriter] writes records as they come; [Writer.Close] completes the file.
// Write under a temporary name and rename, so that no reader sees half a file.
//
// # Merging
//
// Package [github.com/mynakit/mynakit/mergefile/ledger] merges each file
// exactly once into the program's own database, and package
// [github.com/mynakit/mynakit/mergefile/inbox] watches a folder for files.
//
// # How safe it is
//
// MD5 with a secret is not a message authentication code. It is extended or
// made to collide with bytes that are neither letters nor digits, and the
// strict grammar of a profile refuses those before anything is believed. What
// it cannot mend, [Profile.Lint] says in words: fields joined without a
// delimiter, ECB, a fixed IV, a short secret. Where both ends can move, choose
// [Sidecar] (HMAC-SHA-256 in a second file; the first is unchanged) or
// [Envelope] (AES-128-GCM). The profile decides which is demanded; a reader
// never goes by what the file says of itself.
//
// Neither a hash nor a MAC stops a file from being sent twice. The ledger does.
//
// # Compatibility
//
// A preset never changes, so that what was written under it stays readable.
// Files in an envelope begin with a version, and later versions of this package
// read version 1.
package mergefile
