package mykey

// Generate is generate, for a test that chooses the random bytes.
var Generate = generate
