// Package terminal represents what a terminal of the MyKey platform is
// (マイキープラットフォーム等活用端末): its [Kind], and the [Fingerprint] that tells it from
// other devices (端末識別情報). A program on the terminal calls [ReadValues] and
// [FingerprintWindows], or [FingerprintAndroid].
//
// The grammar of terminal IDs is [mykey.CheckTerminalID]. The book of terminals is
// in package [github.com/mynakit/mynakit/mykey/registry].
package terminal
