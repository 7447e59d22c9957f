package simcard

// The applications that some cards have beside those of every card. They name
// no holder without a PIN.
var (
	// aidLicence is the driver's licence on the card (マイナ免許証).
	aidLicence = []byte{0xA0, 0x00, 0x00, 0x02, 0x31, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	// aidResidence is the first of four of a residence card (特定在留カード); the
	// others differ in the last byte that is not zero.
	aidResidence = []byte{0xD3, 0x92, 0xF0, 0x00, 0x4F, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
)

// fillLicence lays out the licence application: that a PIN is set, and the PIN.
// The licence itself, behind it, is left out: its form is not known.
func (c *Card) fillLicence(app *application) {
	app.add(
		file{id: 0x0006, pin: &c.pins[LicencePIN]},
		file{id: 0x001A, read: free, content: fixed([]byte{0xC1, 0x01, 0x01})},
	)
}

// residence returns the applications of a residence card, which can be selected.
// What they hold is left out.
func residence() (apps []*application) {
	for n := byte(1); n <= 4; n++ {
		aid := append([]byte(nil), aidResidence...)
		aid[5] = n
		apps = append(apps, &application{aid: aid, session: sessionNone})
	}
	return apps
}

// WithLicence adds the application of a driver's licence (マイナ免許証): it can be
// selected, its file 001A says that a PIN is set, and [LicencePIN] has ten
// tries. A phone and a former card cannot have it.
func WithLicence() Option { return func(c *config) { c.licence = true } }
