// Package realstack proves the software card on a real PC/SC stack: pcscd with
// the virtual reader vpcd, and clients that others wrote: OpenSC, OpenSSL and
// ssh-keygen. It holds tests alone.
//
// The tests need Linux, root (they run in namespaces of their own, so that
// neither a pcscd of the machine nor its network is touched) and the packages
//
//	apt-get install pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl openssh-client
//
// With libpcsclite-dev, pkg-config, cgo and the build tag libpcsclite, package
// pcsc goes through the system's library instead of talking to pcscd itself.
// With the tag scard alone, the two are timed side by side.
//
// What is missing is skipped with a message. If the environment variable
// MYNAKIT_REQUIRE contains the word pcsc, it is a failure.
package realstack
