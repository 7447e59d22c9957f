package vpcd

import "time"

// SetPatience changes how long a peer may owe its ATR.
func (l *Listener) SetPatience(d time.Duration) { l.wait = d }
