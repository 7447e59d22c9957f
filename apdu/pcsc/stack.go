package pcsc

// A stack is a way to the PC/SC service: the system's own, or one that tests
// make up.
type stack struct {
	establish func() (session, error)
}

// A session is a PC/SC context.
type session interface {
	readers() ([]string, error)
	// status looks at a reader without waiting.
	status(reader string) (status, error)
	connect(reader string, exclusive bool) (handle, error)
	release() error
}

// A status is what a reader holds. atr is nil where there is no card that
// answers.
type status struct{ atr []byte }

// A handle is a connection to a card.
type handle interface {
	transmit(command []byte) ([]byte, error)
	begin() error
	end() error
	disconnect(Disposition) error
	atr() ([]byte, error)
}
