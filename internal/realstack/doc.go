// Package realstack proves the software card on a real PC/SC stack: pcscd with
// the virtual reader vpcd, and clients that others wrote: OpenSC, OpenSSL and
// ssh-keygen. It holds tests alone.
//
// The tests need Linux, root (they run in namespaces of their own, so that
// neither a pcscd of the machine nor its network is touched) and the packages
//
//	apt-get install pcscd vsmartcard-vpcd opensc opensc-pkcs11 openssl openssh-client
//
// and, for the tests of apdu/pcsc, libpcsclite-dev, pkg-config and the build
// tag pcsc. What is missing is skipped with a message; where the environment
// variable MYNAKIT_REQUIRE contains the word pcsc it is a failure.
package realstack
