package mykey

// SetGenerate makes the registry draw its automatic candidates from f.
func SetGenerate(r *Registry, f func() ID) { r.generate = f }

// Generate is generate, for a test that chooses the random bytes.
var Generate = generate
